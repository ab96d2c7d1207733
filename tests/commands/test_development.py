"""The folder of a developer's server."""

import stat
from pathlib import Path

import pytest

from commands.development import locked, secret_keys
from commands.terminal import CommandFailed
from core.auth import KeyRing


def test_keys_are_made_once_for_their_owners_eyes_only(tmp_path: Path) -> None:
    keys = secret_keys(tmp_path)
    assert secret_keys(tmp_path) == keys
    assert stat.S_IMODE((tmp_path / "secret-keys").stat().st_mode) == 0o600
    KeyRing.parse(keys)


def test_a_folder_serves_one_process_and_tells_the_next_where_that_is(tmp_path: Path) -> None:
    with locked(tmp_path) as lock:
        lock.write("http://127.0.0.1:8000")
        lock.flush()
        with pytest.raises(CommandFailed, match=r"already running .*http://127\.0\.0\.1:8000"), locked(tmp_path):
            pass
    with locked(tmp_path) as lock:
        assert lock.read() == ""
