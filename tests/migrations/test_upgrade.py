"""Upgrading databases that older versions filled, with the rights that a rented database gives."""

import asyncio
import json
from base64 import b64encode

import pytest

from commands.migrate import migrate_database
from core.envelopes import Envelope, Envelopes
from core.errors import StartupRefused
from models import migrate
from models.database import open_connection
from tests.accounts import SIGN_IN
from tests.client import Client, Json
from tests.migrations.conftest import Rented
from tests.migrations.releases import ROWS, fill, migrations_up_to, rows_of
from tests.servers.command import command

SECRET_KEYS = f"test:{b64encode(b'k' * 32).decode()}"
# Whoever signed up when the rows were written.
CREDENTIALS = {"email": "ada@example.com", "password": "correct horse battery"}
RUNS = """
query ($id: ID!) {
  workspace(id: $id) {
    runs(first: 10) { nodes { id status outputText thread { title } usage { inputTokens outputTokens llmCalls } } }
  }
}
"""
TIMEOUT_S = 30.0


async def test_each_migration_keeps_what_was_there(rented: Rented) -> None:
    before: dict[str, int] = {}
    for name in migrate.known_migrations():
        with migrations_up_to(name) as migrations:
            assert await migrate.upgrade(rented.url, migrations) == [name]
        after = {table: len(rows) for table, rows in (await rows_of(rented.admin_url)).items()}
        assert {table: after.get(table) for table in before} == before, name
        await fill(rented.admin_url, name)
        before = {table: len(rows) for table, rows in (await rows_of(rented.admin_url)).items()}
        empty = [table for table, count in before.items() if count == 0]
        assert empty == [], f"Rows of {', '.join(empty)} belong in {ROWS.name}/{name.split('_', 1)[0]}.json."
    await migrate.require_current(rented.url)


async def test_a_deployment_of_the_first_release_works_on_after_the_upgrade(rented: Rented) -> None:
    first = migrate.known_migrations()[0]
    with migrations_up_to(first) as migrations:
        await migrate.upgrade(rented.url, migrations)
    await fill(rented.admin_url, first)

    await asyncio.gather(migrate_database(rented.url), migrate_database(rented.url))

    settings = {"DATABASE_URL": rented.url, "SECRET_KEYS": SECRET_KEYS, "PORT": "0", "SCRIPTED_PROVIDER": "true"}
    async with command("serve", **settings) as server:
        url = json.loads("{" + await server.line("{"))["address"] + "/graphql"
        session = (await Client(url).execute(SIGN_IN, input=CREDENTIALS))["signIn"]
        client = Client(url, session["accessToken"])
        [membership] = session["viewer"]["memberships"]

        async with asyncio.timeout(TIMEOUT_S):
            runs: list[Json] = []
            # The second one was still in the queue when the servers of the first release were stopped.
            while [run["status"] for run in runs] != ["SUCCEEDED", "SUCCEEDED"]:
                data = await client.execute(RUNS, id=membership["workspace"]["id"])
                runs = sorted(data["workspace"]["runs"]["nodes"], key=lambda run: run["id"])
                await asyncio.sleep(0.05)
        assert [run["outputText"] for run in runs] == ["one two three", "four five"]
        assert [run["thread"]["title"] for run in runs] == ["one two three", "four five"]
        assert runs[0]["usage"] == {"inputTokens": 5, "outputTokens": 3, "llmCalls": 1}


async def test_a_credential_that_an_older_version_encrypted_still_opens(rented: Rented) -> None:
    for name in migrate.known_migrations():
        with migrations_up_to(name) as migrations:
            await migrate.upgrade(rented.url, migrations)
        await fill(rented.admin_url, name)
    [row] = (await rows_of(rented.admin_url))["provider_credentials"]
    wrapped_key, ciphertext = (bytes.fromhex(row[name][2:]) for name in ("wrapped_data_key", "encrypted_key"))
    place = ("provider credential", row["workspace_id"], row["provider"], row["name"])
    secret = Envelopes.parse(SECRET_KEYS).open(Envelope(row["kid"], wrapped_key, ciphertext), place)
    assert secret == "sk-of-the-first-4711"


async def test_migrating_at_the_same_time_is_safe_also_for_indexes_that_are_made_concurrently(rented: Rented) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        await asyncio.gather(*(migrate_database(rented.url) for _ in range(3)))
    await migrate.require_current(rented.url)


async def test_a_login_that_may_not_make_roles_is_told_what_to_do(rented: Rented) -> None:
    admin = await open_connection(rented.admin_url)
    await admin.execute("ALTER ROLE tenant NOCREATEROLE")
    with pytest.raises(StartupRefused, match="administrator run, once: ") as refused:
        await migrate.upgrade(rented.url)
    await admin.execute(refused.value.message.split("once: ")[1])
    assert await migrate.upgrade(rented.url) == migrate.known_migrations()
    await admin.close()


async def test_a_role_above_row_level_security_is_refused(rented: Rented) -> None:
    admin = await open_connection(rented.admin_url)
    await admin.execute("CREATE ROLE synapse_app BYPASSRLS; GRANT synapse_app TO tenant")
    with pytest.raises(StartupRefused, match="above row-level security"):
        await migrate.upgrade(rented.url)
    await admin.close()
