"""When a process refuses to start, and what it tells the operator."""

from pathlib import Path
from typing import Any

import pytest

from asgi import running  # noqa: TID251  # tests compose the application, too
from core.errors import StartupRefused
from tests.servers.app import Server, settings_for
from tests.servers.postgres import create_database, drop_database

ROOT = Path(__file__).parents[2]


async def refusal(database_url: str, **settings: Any) -> str:
    with pytest.raises(StartupRefused) as refused:
        async with running(settings_for(database_url, **settings), with_executor=False):
            pass
    return str(refused.value)


async def test_a_second_process_without_redis_is_refused(server: Server) -> None:
    assert "REDIS_URL" in await refusal(server.settings.database_url)


async def test_a_second_process_with_redis_is_refused_beside_one_without(server: Server) -> None:
    assert "REDIS_URL" in await refusal(server.settings.database_url, redis_url="redis://127.0.0.1:1/0")


async def test_malformed_keys_are_refused(database_url: str) -> None:
    assert "SECRET_KEYS" in await refusal(database_url, secret_keys="a:b")


async def test_a_schema_that_is_not_ours_is_refused(worker_id: str) -> None:
    name = f"test_empty_{worker_id}"
    url = await create_database(name, template="template0")
    assert "synapse migrate" in await refusal(url)
    await drop_database(name)
