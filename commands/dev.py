"""`synapse dev`: the whole product in one process beside a PostgreSQL of its own, with something in it to play with."""

import json
import shlex
from argparse import Namespace
from asyncio import CancelledError
from contextlib import nullcontext
from pathlib import Path

from pydantic import SecretStr

from asgi import create_app  # noqa: TID251 - the command line is an entry point too
from commands.accounts import Account, sign_in, sign_up
from commands.client import GraphQLClient
from commands.configuration import read_settings
from commands.defaults import DEMO_EMAIL, DEMO_PASSWORD, LOCAL_MODEL, READY, SCRIPTED_MODEL
from commands.development import locked, postgres, secret_keys
from commands.migrate import migrate_database
from commands.serve import address_of, listen, serving
from commands.signals import run_until_stopped
from commands.terminal import CommandFailed, say
from providers import local

# As many as the setting admits: a developer pastes a token and comes back to it.
ACCESS_TOKEN_MINUTES = 60
# A run that it interrupts goes on at the next start.
SHUTDOWN_GRACE_S = 0.0
AGENT = "Assistant"
FIRST_QUERY = "{ viewer { email memberships { role workspace { id name agents { nodes { id name } } } } } }"


def run(arguments: Namespace) -> int:
    run_until_stopped(lambda: _develop(Path(arguments.data).absolute(), arguments.port))
    return 0


async def _develop(folder: Path, port: int | None) -> None:
    settings = read_settings(
        database_url="",
        secret_keys="",
        access_token_minutes=ACCESS_TOKEN_MINUTES,
        shutdown_grace_s=SHUTDOWN_GRACE_S,
        log_format="console",
        log_level="warning",
        allow_private_addresses=True,
        introspection=True,
        scripted_provider=not local.is_installed(),
    )
    with locked(folder) as lock, listen(settings.host, settings.port if port is None else port) as listener:
        address = address_of(listener)
        lock.write(address)
        lock.flush()
        keys = settings.secret_keys or SecretStr(secret_keys(folder))
        with nullcontext(settings.database_url) if settings.database_url else postgres(folder) as database_url:
            await migrate_database(database_url)
            say("Starting the server ...")
            found = {"database_url": database_url, "secret_keys": keys, "port": listener.getsockname()[1]}
            app = create_app(settings.model_copy(update=found), with_executor=True)
            async with serving(app, listener, settings) as serving_task:
                try:
                    await _welcome(address)
                    await serving_task
                except CancelledError:
                    say("\nStopping ...")
                    raise


async def _welcome(address: str) -> None:
    """Sees that there is a demo workspace, and prints how to get at it."""
    async with GraphQLClient(address) as client:
        account = await _demo_account(client)
        await account.agent_named(AGENT, LOCAL_MODEL if local.is_installed() else SCRIPTED_MODEL)
        curl = ["curl", "-sS", f"{address}/graphql", "-H", "Content-Type: application/json"]
        curl += ["-H", f"Authorization: Bearer {client.token}", "-d", json.dumps({"query": FIRST_QUERY})]
        say(
            f"""
{READY}{address}

GraphiQL, signed in:
{address}/graphql#token={client.token}

A token to paste, valid until {account.expires_at.astimezone():%H:%M}; a new one is a signIn away:
{client.token}

From a terminal:
{shlex.join(curl)}

Account: {account.email}, password {DEMO_PASSWORD}. To talk to a model: synapse chat --url {address}
Ctrl-C stops all of it."""
        )


async def _demo_account(client: GraphQLClient) -> Account:
    try:
        return await sign_in(client, DEMO_EMAIL, DEMO_PASSWORD)
    except CommandFailed:
        return await sign_up(client, DEMO_EMAIL, DEMO_PASSWORD, name="Demo", workspace_name="Demo")
