"""The schema tools of npm, run on a schema."""

import asyncio
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from pathlib import Path

from tests.node.environment import NODE, install

ROOT = Path(__file__).parents[3]
TOOLS = Path(__file__).parent
COMMITTED = ROOT / "schema.graphql"


async def run_tool(script: str, *arguments: str | Path, cwd: Path = ROOT) -> str:
    """What a script of this folder, or of a package that is installed in it, prints.

    Raises:
        AssertionError: it fails.
    """
    await asyncio.to_thread(install, TOOLS)
    process = await asyncio.create_subprocess_exec(
        *(NODE, TOOLS / script, *arguments), cwd=cwd, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT
    )
    output = (await process.communicate())[0].decode()
    assert process.returncode == 0, output
    return output
