"""Migrating: from nothing, at the same time, again; and what a process does that meets another schema."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tortoise import Tortoise

from core.errors import StartupRefused
from core.ids import new_id
from models import migrate
from models.database import open_connection
from tests.servers.postgres import create_database, drop_database

COLUMNS = """
SELECT column_name, is_nullable = 'YES' AS nullable FROM information_schema.columns
WHERE table_schema = 'public' AND table_name = $1
"""
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"


@pytest.fixture
async def empty_database() -> AsyncIterator[str]:
    name = f"empty_{new_id().hex}"
    yield await create_database(name, template="template0")
    await drop_database(name)


async def test_processes_that_migrate_at_the_same_time_take_turns(empty_database: str) -> None:
    applied = await asyncio.gather(*(migrate.upgrade(empty_database) for _ in range(3)))
    assert sorted(applied, key=len) == [[], [], migrate.known_migrations()]
    await migrate.require_current(empty_database)


async def test_an_empty_database_is_refused_with_what_to_do(empty_database: str) -> None:
    with pytest.raises(StartupRefused, match="synapse migrate"):
        await migrate.require_current(empty_database)


@pytest.mark.parametrize("newer", ["999_20990101000000_teams.py", "999_20990101000000_contract_teams.py"])
async def test_a_database_of_a_newer_version_is_refused(empty_database: str, newer: str) -> None:
    await migrate.upgrade(empty_database)
    connection = await open_connection(empty_database)
    await connection.execute("INSERT INTO aerich (version, app, content) VALUES ($1, $2, '{}')", newer, migrate.APP)
    await connection.close()
    for start in (migrate.require_current, migrate.upgrade):
        with pytest.raises(StartupRefused, match=f"newer than this version .*{newer}"):
            await start(empty_database)


async def test_a_migration_that_fails_leaves_nothing_behind(empty_database: str) -> None:
    connection = await open_connection(empty_database)
    # The last table that the first migration makes is in its way.
    await connection.execute("CREATE TABLE llm_calls (id int)")
    with pytest.raises(StartupRefused, match=r"undone: .*llm_calls"):
        await migrate.upgrade(empty_database)
    tables = {row["tablename"] for row in await connection.fetch(TABLES)}
    await connection.close()
    assert "users" not in tables


async def test_the_migrations_lead_to_the_schema_of_the_models(empty_database: str) -> None:
    await migrate.upgrade(empty_database)
    assert await migrate.generate(empty_database, "nothing") is None


@pytest.mark.usefixtures("pool")
async def test_the_database_has_the_tables_and_columns_of_the_models(database_url: str) -> None:
    connection = await open_connection(database_url)
    tables = {row["tablename"] for row in await connection.fetch(TABLES)} - {"aerich", "run_events_default"}
    models = {model.describe()["table"]: model for model in Tortoise.apps["synapse"].values()}
    assert tables == set(models)
    for table, model in models.items():
        described = model.describe()
        columns = [described["pk_field"], *described["data_fields"]]
        found = {row["column_name"]: row["nullable"] for row in await connection.fetch(COLUMNS, table)}
        assert found == {column["db_column"]: column["nullable"] for column in columns}, table
    await connection.close()
