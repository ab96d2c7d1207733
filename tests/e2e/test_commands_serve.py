"""The commands that run Synapse for good, as processes."""

import json
import signal
from base64 import b64encode
from collections.abc import AsyncIterator

import pytest

from commands.migrate import migrate_database
from tests.servers.command import Command, command, run
from tests.servers.postgres import create_database, drop_database
from tests.servers.redis import RedisServer

SECRET_KEYS = f"test:{b64encode(b'k' * 32).decode()}"


@pytest.fixture
async def settings(worker_id: str) -> AsyncIterator[dict[str, str]]:
    """Those of a server on an empty database of its own."""
    name = f"commands_{worker_id}"
    url = await create_database(name, template="template0")
    yield {"DATABASE_URL": url, "SECRET_KEYS": SECRET_KEYS, "PORT": "0"}
    await drop_database(name)


async def address_of(server: Command) -> str:
    """Where it listens, once it does."""
    address: str = json.loads("{" + await server.line("{"))["address"]
    return address


async def stop(process: Command) -> int:
    process.send(signal.SIGTERM)
    return await process.wait()


async def test_a_refusal_to_start_is_one_line(settings: dict[str, str]) -> None:
    code, output = await run("serve", **settings)
    assert code == 1
    assert output.startswith("synapse: The database lacks")
    assert output.endswith("Run: synapse migrate")
    assert "\n" not in output


async def test_migrating_again_changes_nothing(settings: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    await migrate_database(settings["DATABASE_URL"])
    assert capsys.readouterr().out.startswith("Applied 0_")
    await migrate_database(settings["DATABASE_URL"])
    assert capsys.readouterr().out == "The database is up to date.\n"


async def test_workers_execute_what_a_server_without_an_executor_is_asked_for(
    settings: dict[str, str], redis_server: RedisServer
) -> None:
    settings |= {"REDIS_URL": redis_server.url, "SCRIPTED_PROVIDER": "true"}
    code, output = await run("migrate", DATABASE_URL=settings["DATABASE_URL"])
    assert code == 0, output
    async with command("serve", "--no-executor", **settings) as server, command("worker", **settings) as worker:
        address = await address_of(server)
        assert "waiting for runs" in await worker.line("{")
        code, output = await run(
            *("chat", "--url", address, "--sign-up", "--model", "scripted/echo", "--message", "one two three")
        )
        assert code == 0, output
        assert "\none two three\n\nSUCCEEDED" in output
        assert await stop(worker) == 0
        assert await stop(server) == 0
    assert "Traceback" not in server.output + worker.output
