"""A server that is replaced while another one serves: what its clients see."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator

import pytest

from tests.accounts import sign_up
from tests.client import Json
from tests.e2e.clients.cutting_proxy import cutting_proxy
from tests.e2e.clients.environment import run_python, run_typescript
from tests.e2e.clients.test_examples import FAR, script
from tests.operations import (
    RUN_EVENTS,
    assert_dense,
    create_agent,
    event_of,
    sha256_of,
    start_run,
    text_of,
    watch,
)
from tests.servers.postgres import create_database, drop_database
from tests.servers.process import serve_in_process
from tests.servers.redis import RedisServer
from tests.upstream.replies import numbered_tokens, text
from tests.upstream.server import Upstream

TOKENS = numbered_tokens(100)


@pytest.fixture
async def url(worker_id: str) -> AsyncIterator[str]:
    name = f"restarts_{worker_id}"
    url = await create_database(name)
    yield url
    await drop_database(name)


async def test_clients_of_a_server_that_stops_are_told_so_and_go_on_at_another_without_a_gap(
    url: str, upstream: Upstream, redis_server: RedisServer
) -> None:
    model = upstream.serve(text(*TOKENS).pausing(0.05))
    async with (
        serve_in_process(url, upstream, "--no-executor", REDIS_URL=redis_server.url) as stopping,
        cutting_proxy(stopping.url) as proxy,
    ):
        ada = await sign_up(stopping)
        run = await start_run(ada, await create_agent(ada, f"openai_compatible/{model}"))
        session = {"accessToken": ada.access_token, "refreshToken": ada.refresh_token, "expiresAt": FAR}
        followers = [
            asyncio.create_task(follow(script("follow", suffix), proxy.url, json.dumps(session), run["id"]))
            for follow, suffix in ((run_typescript, ".mjs"), (run_python, ".py"))
        ]
        await proxy.opened(len(followers))
        async with (
            serve_in_process(url, upstream, REDIS_URL=redis_server.url) as staying,
            ada.client.connect() as socket,
        ):
            seen: list[Json] = []
            async for payload in socket.stream(RUN_EVENTS, runId=run["id"]):
                seen.append(event_of(payload))
                if len(text_of(seen)) > 20:
                    break
            proxy.redirect(staying.url)
            stopping.command.send(signal.SIGTERM)
            assert await socket.closed() == (1012, "The server restarts")
            rest = await watch(staying.client(ada.access_token), run, seen[-1]["seq"])
            assert_dense(seen + rest)
            assert rest[-1]["textSha256"] == sha256_of(seen + rest)
            assert text_of(seen + rest) == "".join(TOKENS)
            for follower in followers:
                followed = json.loads(await follower)
                assert followed == {"text": "".join(TOKENS), "matches": True, "refreshed": False}
            assert await stopping.command.wait() == 0
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", int(stopping.url.rpartition(":")[2]))
