"""The example clients, each in its own environment."""

import asyncio
import fcntl
import os
import shutil
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from functools import cache
from pathlib import Path
from subprocess import run

from tests.node.environment import NODE, install

ROOT = Path(__file__).parents[3]
SCRIPTS = Path(__file__).parent
TYPESCRIPT = ROOT / "clients" / "typescript"
PYTHON = ROOT / "clients" / "python"
TIMEOUT_S = 60.0


async def run_typescript(*arguments: str | Path) -> str:
    """What a script and its arguments print, run by Node in the folder of the TypeScript client.

    Raises:
        AssertionError: it fails, or takes longer than a minute.
    """
    await asyncio.to_thread(install, TYPESCRIPT)
    return await _output_of(NODE, *arguments, cwd=TYPESCRIPT)


async def run_python(*arguments: str | Path) -> str:
    """What Python prints with these arguments, in the environment of the Python client. Raises as `run_typescript`."""
    return await _output_of(await asyncio.to_thread(python_environment) / "python", *arguments, cwd=PYTHON)


async def _output_of(*command: str | Path, cwd: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(PYTHON)}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, env=environment, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT
    )
    try:
        async with asyncio.timeout(TIMEOUT_S):
            output = (await process.communicate())[0].decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, output
    return output


@cache
def python_environment() -> Path:
    """The folder of commands of the Python client's environment, which holds what its lock file names."""
    # Where make puts it on machines that have none.
    uv = shutil.which("uv", path=os.pathsep.join([os.environ["PATH"], str(ROOT / ".synapse/uv/bin")]))
    assert uv, "uv is neither on the path nor in .synapse/uv/bin: run the tests with make."
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    environment["UV_PROJECT_ENVIRONMENT"] = ".venv"
    with (PYTHON / "uv.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run([uv, "sync", "--frozen", "--quiet"], cwd=PYTHON, env=environment, check=True)
    return PYTHON / ".venv" / "bin"
