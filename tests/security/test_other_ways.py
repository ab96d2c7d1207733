"""Ways between two tenants that lead through no id: sockets, the bus, keys that clients choose, shared documents."""

import asyncio
import json
from datetime import UTC, datetime

from core import ids
from core.events import LoggedEvent, TextDelta
from core.ids import IdPrefix
from models.database import transaction
from models.runs import Run
from providers.catalogue import ProviderName
from services import provider_credentials
from services.persisted_documents import digest_of
from streaming.log import last_seq, publish
from tests.operations import RUN_EVENTS, start_run
from tests.security.conftest import Walls
from tests.security.tenant import Tenant
from tests.security.wire import PATIENCE_S
from tests.security.world import World
from tests.servers.app import Server
from tests.streaming.runs import insert_events


async def test_a_session_that_was_signed_out_opens_no_socket(world: World) -> None:
    client = world.callers["a session that was signed out"].client
    async with client.open() as socket:
        await socket.send(type="connection_init", payload=client.headers)
        assert await socket.closed() == (4403, "The session has ended.")


async def test_events_of_the_other_tenant_reach_nobody_who_follows_a_run(world: World, walls: Walls) -> None:
    """Both runs go on at the same time, on the same bus."""
    runs = [await live_run(tenant) for tenant in (world.ada, world.bob)]
    async with world.ada.owner.client.connect() as socket:
        events = socket.stream(RUN_EVENTS, runId=ids.encode(IdPrefix.RUN, runs[0].id), delivery={"maxHz": 120})
        async with asyncio.timeout(PATIENCE_S):
            seen = [await anext(events)]
            for _ in range(3):
                for run, tenant in zip(runs, (world.ada, world.bob), strict=True):
                    await say(world.server, run, f"{tenant.marker} ")
                seen.append(await anext(events))
    assert world.bob.marker not in str(seen)
    assert str(seen).count(world.ada.marker) >= 3


async def live_run(tenant: Tenant) -> Run:
    started = await start_run(tenant.owner, {"id": tenant.inputs["startRun"]["agentId"]})
    async with transaction([ids.decode(IdPrefix.WORKSPACE, tenant.workspace_id)]):
        return await Run.get(id=ids.decode(IdPrefix.RUN, started["id"]))


async def say(server: Server, run: Run, text: str) -> None:
    """The run's next event, as an executor would write and announce it."""
    async with transaction([run.workspace_id]) as connection:
        seq = await last_seq(connection, run.id) + 1
        event = LoggedEvent(run.id, seq, seq, datetime.now(UTC), run.id, TextDelta(text))
        await insert_events(connection, run.workspace_id, [event])
    await publish(server.app.state.runtime.bus, [event])


async def test_an_idempotency_key_of_the_other_tenant_is_free(world: World) -> None:
    theirs = world.bob.inputs["startRun"]["idempotencyKey"]
    for _ in range(2):
        agent = {"id": world.ada.inputs["startRun"]["agentId"]}
        run = await start_run(world.ada.owner, agent, "Hello", idempotencyKey=theirs)
        assert run["id"] not in world.of_bob.all_ids


async def test_a_credential_of_the_other_tenant_calls_nothing(world: World) -> None:
    key = (ProviderName.OPENAI_COMPATIBLE, world.bob.marker)
    envelopes = world.server.app.state.runtime.envelopes
    found = []
    for tenant in (world.ada, world.bob):
        workspace_id = ids.decode(IdPrefix.WORKSPACE, tenant.workspace_id)
        async with transaction([workspace_id]) as connection:
            found.append(await provider_credentials.load(connection, envelopes, workspace_id, key))
    assert found[0] is None
    assert found[1] is not None
    assert world.bob.marker in found[1].api_key


async def test_a_document_that_the_other_tenant_registered_shows_the_callers_own(world: World, walls: Walls) -> None:
    """A hash is no secret, so what it stands for must not be: all see what they may by it, and no more."""
    text = f'{{ node(id: "{world.bob.run_id}") {{ __typename ... on Run {{ input }} }} }}'
    body = {"query": text, "extensions": {"persistedQuery": {"version": 1, "sha256Hash": digest_of(text)}}}
    known = await world.bob.owner.client.post(json.dumps(body).encode())
    assert world.bob.marker in str(known.data)
    del body["query"]
    for caller in world.callers.values():
        shown = await caller.client.post(json.dumps(body).encode())
        assert world.bob.marker not in str(shown.body)
        assert shown.codes in ([], ["UNAUTHENTICATED"])
