"""Starting runs: what is refused, and that nothing is half-written."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from core.envelopes import Envelopes
from core.errors import Conflict, Forbidden, IdempotencyConflict, NotFound, SynapseError, ValidationFailed
from core.events import RunStarted
from core.ids import new_id
from core.permissions import Role
from core.principals import Principal
from models import database
from models.agents import Agent, AgentVersion
from models.database import fetch, reading, transaction
from models.runs import Run, RunStatus
from models.threads import Message, Thread
from models.writes import Writes
from providers.catalogue import ModelName, ProviderName
from services import runs
from services.doorbell import Doorbell
from services.provider_credentials import NewCredential, Seen, load, set_credential
from services.runs import MAX_MESSAGE_BYTES, BusyPolicy, RunRequest
from streaming.bus import Bus
from tests.engine.lab import until
from tests.servers.postgres_proxy import PostgresProxy
from tests.services.tenants import make_member, make_workspace
from tests.streaming.runs import stored

TABLES = ("runs", "threads", "messages", "run_events", "idempotency_keys")


@pytest.fixture
async def bus() -> AsyncIterator[Bus]:
    bus = Bus.from_url(None)
    async with bus:
        yield bus


@pytest.fixture
async def editor(pool: None) -> Principal:
    return await make_member(await make_workspace())


async def make_agent(workspace_id: UUID, **columns: Any) -> Agent:
    agent_id = new_id()
    async with transaction([workspace_id]):
        agent = await Agent.create(
            id=agent_id, workspace_id=workspace_id, name="Ada", live_version_id=new_id(), **columns
        )
        await make_version(agent, 1, agent.live_version_id)
    return agent


async def make_version(agent: Agent, number: int, version_id: UUID, model: str = "scripted/echo") -> AgentVersion:
    return await AgentVersion.create(
        id=version_id,
        workspace_id=agent.workspace_id,
        agent_id=agent.id,
        number=number,
        model=model,
        max_steps=1,
    )


async def agent_of(principal: Principal) -> Agent:
    return await make_agent(principal.workspace_ids[0])


async def counts(workspace_id: UUID) -> list[int]:
    """How many rows each table has."""
    async with transaction([workspace_id]) as connection:
        return [(await fetch(connection, f"SELECT count(*) AS n FROM {table}"))[0]["n"] for table in TABLES]


async def refused(principal: Principal, bus: Bus, request: RunRequest, error: type[SynapseError]) -> SynapseError:
    """The error that starting raises, having written nothing."""
    before = await counts(principal.workspace_ids[0])
    with pytest.raises(error) as raised:
        await runs.start(principal, bus, Doorbell(), replace(request, idempotency_key="key"))
    assert await counts(principal.workspace_ids[0]) == before
    return raised.value


async def test_a_run_is_queued_with_all_that_belongs_to_it(editor: Principal, bus: Bus) -> None:
    agent = await agent_of(editor)
    request = RunRequest(agent.id, "  What is\n\n up? ", metadata={"a": [1, None]})
    started = await runs.start(editor, bus, Doorbell(), request)
    assert not started.replayed
    async with transaction(editor.workspace_ids):
        run = await Run.get(id=started.run.id)
        thread = await Thread.get(id=run.thread_id)
        [message] = await Message.filter(run_id=run.id)
    assert (run.status, run.epoch, run.started_at) == (RunStatus.QUEUED, 0, None)
    assert (run.input, run.metadata) == ("  What is\n\n up? ", {"a": [1, None]})
    assert (run.agent_version_id, run.started_by_id) == (agent.live_version_id, editor.user_id)
    assert thread.title == "What is up?"
    assert (message.position, message.text, message.thread_id) == (0, run.input, thread.id)
    [first] = await stored(run)
    assert (first.seq, first.at) == (1, run.created_at)
    assert isinstance(first.body, RunStarted)


async def test_a_long_message_gives_a_short_title(editor: Principal, bus: Bus) -> None:
    started = await runs.start(editor, bus, Doorbell(), RunRequest((await agent_of(editor)).id, "wörd " * 100))
    async with transaction(editor.workspace_ids):
        thread = await Thread.get(id=started.run.thread_id)
    assert thread.title is not None
    assert len(thread.title) <= 80
    assert thread.title.endswith("…")


DEEP: list[Any] = []
for _ in range(100):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"message": ""}, "message"),
        ({"message": " \n\t\u3000"}, "message"),
        ({"message": "a\x00b"}, "message"),
        ({"message": "a\ud800b"}, "message"),
        ({"message": "a" * (MAX_MESSAGE_BYTES + 1)}, "message"),
        ({"message": "ö" * (MAX_MESSAGE_BYTES // 2 + 1)}, "message"),
        ({"metadata": {"a": "b" * 70_000}}, "metadata"),
        ({"metadata": DEEP}, "metadata"),
        ({"metadata": {"a": 2**64}}, "metadata"),
        ({"metadata": {"a\x00": 1}}, "metadata"),
        ({"metadata": ["\udfff"]}, "metadata"),
    ],
)
async def test_what_cannot_be_kept_is_refused(editor: Principal, bus: Bus, changes: dict[str, Any], path: str) -> None:
    request = replace(RunRequest((await agent_of(editor)).id, "Hello"), **changes)
    error = await refused(editor, bus, request, ValidationFailed)
    assert error.path[:2] == ("input", path)


async def test_the_largest_message_is_taken(editor: Principal, bus: Bus) -> None:
    message = "ö" * (MAX_MESSAGE_BYTES // 2)
    assert (
        await runs.start(editor, bus, Doorbell(), RunRequest((await agent_of(editor)).id, message))
    ).run.input == message


async def test_what_is_not_there_for_the_caller_is_not_found(editor: Principal, bus: Bus) -> None:
    agent, stranger = await agent_of(editor), await make_member(await make_workspace())
    foreign, other = await agent_of(stranger), await agent_of(editor)
    foreign_run = (await runs.start(stranger, bus, Doorbell(), RunRequest(foreign.id, "Hello"))).run
    request = RunRequest(agent.id, "Hello")
    refusals: list[tuple[dict[str, Any], str]] = [
        ({"agent_id": new_id()}, "agentId"),
        ({"agent_id": foreign.id}, "agentId"),
        ({"agent_version_id": new_id()}, "agentVersionId"),
        ({"agent_version_id": other.live_version_id}, "agentVersionId"),
        ({"agent_version_id": foreign.live_version_id}, "agentVersionId"),
        ({"thread_id": new_id()}, "threadId"),
        ({"thread_id": foreign_run.thread_id}, "threadId"),
    ]
    for changes, path in refusals:
        error = await refused(editor, bus, replace(request, **changes), NotFound)
        assert error.path == ("input", path)


async def test_a_thread_of_another_workspace_of_the_caller_is_not_found(editor: Principal, bus: Bus) -> None:
    agent, elsewhere = await agent_of(editor), await make_workspace()
    both = replace(editor, rights={**editor.rights, elsewhere: Role.OWNER})
    there = (await runs.start(both, bus, Doorbell(), RunRequest((await make_agent(elsewhere)).id, "Hello"))).run
    await refused(both, bus, RunRequest(agent.id, "Hello", thread_id=there.thread_id), NotFound)


async def test_viewers_may_start_nothing(editor: Principal, bus: Bus) -> None:
    viewer = await make_member(editor.workspace_ids[0], Role.VIEWER)
    await refused(viewer, bus, RunRequest((await agent_of(editor)).id, "Hello"), Forbidden)


async def test_an_archived_agent_starts_nothing(editor: Principal, bus: Bus) -> None:
    agent = await make_agent(editor.workspace_ids[0], archived_at=datetime.now(UTC))
    error = await refused(editor, bus, RunRequest(agent.id, "Hello"), Conflict)
    assert error.path == ("input", "agentId")


async def test_a_version_that_is_not_live_can_be_run(editor: Principal, bus: Bus) -> None:
    agent = await agent_of(editor)
    async with transaction(editor.workspace_ids):
        version = await make_version(agent, 2, new_id())
    started = await runs.start(editor, bus, Doorbell(), RunRequest(agent.id, "Hello", agent_version_id=version.id))
    assert started.run.agent_version_id == version.id


async def test_a_busy_thread_is_refused_when_so_wanted(editor: Principal, bus: Bus) -> None:
    agent = await agent_of(editor)
    thread_id = (await runs.start(editor, bus, Doorbell(), RunRequest(agent.id, "Hello"))).run.thread_id
    request = RunRequest(agent.id, "Again", thread_id=thread_id, if_busy=BusyPolicy.REJECT)
    assert (await refused(editor, bus, request, Conflict)).path == ("input", "threadId")
    async with transaction(editor.workspace_ids):
        await Run.filter(thread_id=thread_id).update(status=RunStatus.SUCCEEDED)
    assert (await runs.start(editor, bus, Doorbell(), request)).run.thread_id == thread_id


async def test_of_many_that_refuse_a_busy_thread_one_is_started(editor: Principal, bus: Bus) -> None:
    agent = await agent_of(editor)
    thread_id = (await runs.start(editor, bus, Doorbell(), RunRequest(agent.id, "Hello"))).run.thread_id
    async with transaction(editor.workspace_ids):
        await Run.filter(thread_id=thread_id).update(status=RunStatus.SUCCEEDED)
    request = RunRequest(agent.id, "Again", thread_id=thread_id, if_busy=BusyPolicy.REJECT)
    results = await asyncio.gather(
        *(runs.start(editor, bus, Doorbell(), request) for _ in range(10)), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["Conflict"] * 9 + ["StartedRun"]


async def test_of_many_that_cancel_the_others_the_newest_stays(editor: Principal, bus: Bus) -> None:
    agent = await agent_of(editor)
    thread_id = (await runs.start(editor, bus, Doorbell(), RunRequest(agent.id, "Hello"))).run.thread_id
    request = RunRequest(agent.id, "Again", thread_id=thread_id, if_busy=BusyPolicy.CANCEL)
    await asyncio.gather(*(runs.start(editor, bus, Doorbell(), request) for _ in range(10)))
    async with transaction(editor.workspace_ids):
        statuses = await Run.filter(thread_id=thread_id).values_list("status", flat=True)
    assert sorted(map(str, statuses)) == ["CANCELLED"] * 10 + ["QUEUED"]


async def test_the_same_key_gives_the_same_run(editor: Principal, bus: Bus) -> None:
    request = RunRequest((await agent_of(editor)).id, "Hello", metadata={"a": 1, "b": 2}, idempotency_key="once")
    first = await runs.start(editor, bus, Doorbell(), request)
    before = await counts(editor.workspace_ids[0])
    again = await runs.start(editor, bus, Doorbell(), replace(request, metadata={"b": 2, "a": 1}))
    assert (again.run.id, again.replayed) == (first.run.id, True)
    assert await counts(editor.workspace_ids[0]) == before


async def test_the_key_of_another_request_conflicts(editor: Principal, bus: Bus) -> None:
    request = RunRequest((await agent_of(editor)).id, "Hello", idempotency_key="key")
    await runs.start(editor, bus, Doorbell(), request)
    others: list[dict[str, Any]] = [{"message": "Hi"}, {"metadata": {}}, {"if_busy": BusyPolicy.REJECT}]
    for changes in others:
        error = await refused(editor, bus, replace(request, **changes), IdempotencyConflict)
        assert error.path == ("input", "idempotencyKey")


async def test_a_refused_request_leaves_its_key_free(editor: Principal, bus: Bus) -> None:
    request = RunRequest((await agent_of(editor)).id, "Hello", thread_id=new_id(), idempotency_key="key")
    with pytest.raises(NotFound):
        await runs.start(editor, bus, Doorbell(), request)
    assert not (await runs.start(editor, bus, Doorbell(), replace(request, thread_id=None))).replayed


async def test_of_fifty_racing_requests_one_makes_the_run(editor: Principal, bus: Bus) -> None:
    request = RunRequest((await agent_of(editor)).id, "Hello", idempotency_key="race")
    results = await asyncio.gather(*(runs.start(editor, bus, Doorbell(), request) for _ in range(50)))
    assert len({result.run.id for result in results}) == 1
    assert sum(not result.replayed for result in results) == 1
    assert (await counts(editor.workspace_ids[0]))[0] == 1


async def test_a_retry_after_a_commit_whose_answer_got_lost_makes_no_second_run(
    editor: Principal, bus: Bus, database_url: str
) -> None:
    request = RunRequest((await agent_of(editor)).id, "Hello", idempotency_key="unclear")
    async with PostgresProxy(database_url) as proxy:
        await database.close()
        await database.connect(proxy.url, pool_size=2)
        try:
            proxy.lose_answer_to("COMMIT;")
            with pytest.raises(Exception, match="connection"):
                await runs.start(editor, bus, Doorbell(), request)
            again = await runs.start(editor, bus, Doorbell(), request)
        finally:
            await database.close()
            await database.connect(database_url, pool_size=10)
    assert proxy.has_lost_answer
    assert again.replayed
    assert (await counts(editor.workspace_ids[0]))[0] == 1


async def has_lost_answer(proxy: PostgresProxy) -> bool:
    return proxy.has_lost_answer


async def test_a_run_is_started_though_executors_cannot_be_told(editor: Principal, bus: Bus, database_url: str) -> None:
    request = RunRequest((await agent_of(editor)).id, "Hello")
    async with PostgresProxy(database_url) as proxy:
        await database.close()
        await database.connect(proxy.url, pool_size=2)
        try:
            proxy.lose_answer_to("pg_notify")
            started = await runs.start(editor, bus, Doorbell(), request)
            await until(lambda: has_lost_answer(proxy))
        finally:
            await database.close()
            await database.connect(database_url, pool_size=10)
    assert proxy.has_lost_answer
    assert (started.run.status, started.replayed) == (RunStatus.QUEUED, False)
    assert (await counts(editor.workspace_ids[0]))[0] == 1


async def test_what_a_new_run_is_called_with_is_seen_as_it_would_be_looked_up(bus: Bus, pool: None) -> None:
    admin, envelopes = await make_member(await make_workspace(), Role.ADMIN), Envelopes({"k": b"k" * 32})
    [workspace_id] = admin.workspace_ids
    for provider, name in ((ProviderName.OPENAI, "default"), (ProviderName.ANTHROPIC, "other.one")):
        credential = NewCredential(workspace_id, provider, name, f"sk-of-{name}", "https://gateway.example.com/v1")
        await set_credential(admin, envelopes, credential, allow_private_addresses=True)
    seen: list[Seen] = []

    async def begin(_run: Run, _writes: Writes, credential: Seen) -> bool:
        seen.append(credential)
        return False

    doorbell, agent, found = Doorbell(), await make_agent(workspace_id), []
    doorbell.answered_by("ada", lambda: True, begin)
    models = ("openai/gpt-5", "openai:default/gpt-5", "openai:other/gpt-5", "anthropic:other.one/a:b/c", "ollama/x:y")
    for number, model in enumerate(models, 2):
        async with transaction([workspace_id]):
            version = await make_version(agent, number, new_id(), model)
        await runs.start(admin, bus, doorbell, RunRequest(agent.id, "Hello", agent_version_id=version.id))
        name_parts = ModelName.parse(model)
        assert name_parts is not None
        key = (name_parts.provider, name_parts.credential)
        found.append(await load(reading([workspace_id]), envelopes, workspace_id, key))
        # No other key is answered from what was seen, and this one without a look.
        assert await load(reading([]), envelopes, workspace_id, key, seen[-1]) == found[-1]
        assert await load(reading([]), envelopes, new_id(), key, seen[-1]) is None
        assert await load(reading([]), envelopes, workspace_id, (ProviderName.XAI, "default"), seen[-1]) is None
    assert [credential.api_key if credential else None for credential in found] == [
        *("sk-of-default", "sk-of-default", None, "sk-of-other.one", None)
    ]
