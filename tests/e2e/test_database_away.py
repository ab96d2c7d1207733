"""The database is away for a moment: whoever asks is told so at once, and nothing has to be restarted after it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.accounts import Member, sign_up
from tests.client import Client, Socket
from tests.servers.postgres import create_database, drop_database
from tests.servers.postgres_proxy import PostgresProxy
from tests.servers.process import serve_in_process
from tests.upstream.server import Upstream

VIEWER = "{ viewer { id } }"


@pytest.fixture
async def url(worker_id: str) -> AsyncIterator[str]:
    name = f"away_{worker_id}"
    url = await create_database(name)
    yield url
    await drop_database(name)


async def refused(client: Client, query: str) -> tuple[int, str, str]:
    """The status, the code and the message of an answer that is an error."""
    answer = await client.send(query)
    [error] = answer.errors
    return answer.status, error["extensions"]["code"], error["message"]


async def ask(socket: Socket) -> Any:
    """The payload of the first message that answers."""
    await socket.subscribe(VIEWER)
    while (message := await socket.receive())["type"] == "complete":
        pass
    return message["payload"]


async def test_everybody_is_told_to_try_again_and_can(url: str, upstream: Upstream) -> None:
    away = "The service is not available for a moment; try again."
    async with PostgresProxy(url) as proxy, serve_in_process(proxy.url, upstream, "--no-executor") as server:
        ada: Member = await sign_up(server)
        async with ada.client.connect() as socket:
            # By then whatever looks up the session once more has done so.
            assert (await ask(socket))["data"]["viewer"]["id"] == ada.user_id
            await asyncio.sleep(0.5)
            await proxy.close()
            assert await refused(ada.client, VIEWER) == (503, "INTERNAL", away)
            [error] = await ask(socket)
            assert (error["extensions"]["code"], error["message"]) == ("INTERNAL", away)
            await proxy.open()
            assert (await ada.client.execute(VIEWER))["viewer"]["id"] == ada.user_id
            assert (await ask(socket))["data"]["viewer"]["id"] == ada.user_id
    assert [line for line in server.command.lines if "the database is away" in line], "operators are told, too"
