"""The developer's commands, as processes at a terminal."""

import asyncio
import json
import shutil
import signal
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from providers import local
from tests.client import Client
from tests.servers.command import command, is_gone, run

READY = "Synapse is ready at "
HINT = "A token to paste"
LAST_LINE = "Ctrl-C stops"
AGENTS = "{ viewer { email memberships { workspace { name agents { nodes { id name } } } } } }"

pytestmark = pytest.mark.skipif(not local.is_installed(), reason="the extra `local` is not installed")


async def agents(address: str, token: str) -> dict[str, str]:
    """The ids of the demo workspace's agents, by name."""
    viewer = (await Client(f"{address}/graphql", token).execute(AGENTS))["viewer"]
    assert viewer["email"] == "demo@example.com"
    (membership,) = viewer["memberships"]
    assert membership["workspace"]["name"] == "Demo"
    return {agent["name"]: agent["id"] for agent in membership["workspace"]["agents"]["nodes"]}


async def said_by(line: str) -> dict[str, object]:
    """The JSON that a command line prints, pasted into a shell as it is."""
    shell = await asyncio.create_subprocess_exec("bash", "-c", line, stdout=PIPE)
    output, _ = await shell.communicate()
    said: dict[str, object] = json.loads(output)
    return said


def postgres_pid(data: Path) -> int:
    return int((data / "postgres" / "postmaster.pid").read_text().splitlines()[0])


async def test_dev_can_be_used_killed_started_again_and_stopped(tmp_path: Path) -> None:
    async with command("dev", "--data", tmp_path, "--port", "0") as first:
        address = await first.line(READY)
        await first.line(HINT)
        token = await first.line("")
        curl = f"curl {await first.line('curl ')}"
        await first.line(LAST_LINE)
        made = await agents(address, token)
        assert list(made) == ["Assistant"]
        if shutil.which("curl"):
            assert "errors" not in await said_by(curl)
        postgres = postgres_pid(tmp_path)
        first.send(signal.SIGKILL)
        await first.wait()

    async with command("dev", "--data", tmp_path, "--port", "0") as second:
        address = await second.line(READY)
        await second.line(LAST_LINE)
        assert postgres_pid(tmp_path) == postgres
        # The keys are the same, so the first token still counts, and the workspace was not filled twice.
        assert await agents(address, token) == made

        code, output = await run("chat", "--url", address, "--message", "Say hello.")
        assert code == 0, output
        started = [*second.children(), postgres]
        assert len(started) > 1, "the local model's process is missing"

        second.interrupt()
        second.interrupt()
        assert await second.wait() == 0
        assert "Traceback" not in second.output
        assert all([await is_gone(pid) for pid in started])


async def test_the_demo_streams_a_real_models_answer_and_leaves_nothing_behind(tmp_path: Path) -> None:
    code, output = await run("demo", TMPDIR=str(tmp_path))
    assert code == 0, output
    assert "SUCCEEDED" in output
    assert "text matches its SHA-256" in output
    assert not any(tmp_path.glob("synapse-demo-*"))  # noqa: ASYNC240
