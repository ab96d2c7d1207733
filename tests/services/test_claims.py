"""Who takes which run: turns in threads, limits, fairness between workspaces, and runs that executors die of."""

import asyncio
from collections import Counter
from contextvars import Context
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest

from core.ids import new_id
from models.agents import Agent, AgentVersion
from models.database import fetch, open_connection, transaction
from models.runs import Run, RunStatus
from models.threads import Thread
from models.writes import Writes
from services import claims
from services.claims import SUSPECT_AFTER, Claim, Limits
from tests.engine.lab import until
from tests.services.tenants import make_workspace

PLENTY = Limits(per_workspace=10_000, per_agent=10_000)


@pytest.fixture(autouse=True)
async def _empty_queue(database_url: str, pool: None) -> None:
    await execute(database_url, "TRUNCATE runs CASCADE")


async def execute(database_url: str, sql: str) -> None:
    connection = await open_connection(database_url)
    await connection.execute(sql)
    await connection.close()


@dataclass(frozen=True)
class Tenant:
    """A workspace with one agent."""

    workspace_id: UUID
    agent_id: UUID
    version_id: UUID

    async def queue(self, count: int, *, threads: int | None = None) -> list[UUID]:
        """Queue so many runs, oldest first, in threads of their own unless they have to share so few."""
        thread_ids, run_ids = [new_id() for _ in range(threads or count)], [new_id() for _ in range(count)]
        async with transaction([self.workspace_id]):
            await Thread.bulk_create(Thread(id=id, workspace_id=self.workspace_id) for id in thread_ids)
            await Run.bulk_create(
                Run(
                    id=run_id,
                    workspace_id=self.workspace_id,
                    agent_id=self.agent_id,
                    agent_version_id=self.version_id,
                    thread_id=thread_ids[at % len(thread_ids)],
                    input="",
                    started_by_id=self.workspace_id,
                )
                for at, run_id in enumerate(run_ids)
            )
        return run_ids

    def new_run(self) -> tuple[Run, Writes]:
        """A run in a thread of its own that is not written yet, and what is to be written with it."""
        thread, writes = Thread(workspace_id=self.workspace_id), Writes()
        writes.insert(thread)
        run = Run(
            workspace_id=self.workspace_id,
            agent_id=self.agent_id,
            agent_version_id=self.version_id,
            thread_id=thread.id,
            input="",
            started_by_id=self.workspace_id,
            created_at=datetime.now(UTC),
        )
        return run, writes

    async def begin(self, limits: Limits, executor_id: str = "ada") -> bool:
        """Write a new run as one that is claimed; whether that was so."""
        run, writes = self.new_run()
        return await claims.write_claimed(writes, claims.claim_of_new(run, executor_id), limits)

    async def rows(self) -> tuple[int, int]:
        """How many threads and runs there are."""
        async with transaction([self.workspace_id]):
            return await Thread.all().count(), await Run.all().count()

    async def running(self) -> list[UUID]:
        async with transaction([self.workspace_id]):
            return [run.id for run in await Run.filter(agent_id=self.agent_id, status=RunStatus.RUNNING).order_by("id")]

    async def row(self, run_id: UUID) -> Run:
        async with transaction([self.workspace_id]):
            return await Run.get(id=run_id)

    async def end(self, run_id: UUID) -> None:
        async with transaction([self.workspace_id]):
            await Run.filter(id=run_id).update(status=RunStatus.SUCCEEDED)


async def tenant(workspace_id: UUID | None = None) -> Tenant:
    workspace_id = workspace_id or await make_workspace()
    made = Tenant(workspace_id, new_id(), new_id())
    async with transaction([workspace_id]):
        await Agent.create(id=made.agent_id, workspace_id=workspace_id, name="Ada", live_version_id=made.version_id)
        await AgentVersion.create(
            id=made.version_id, workspace_id=workspace_id, agent_id=made.agent_id, number=1, model="m", max_steps=1
        )
    return made


async def take(places: int, limits: Limits = PLENTY, executor_id: str = "ada") -> list[Claim]:
    return await claims.claim(executor_id, places, limits, working_on=())


async def test_the_oldest_runs_come_first_and_of_each_thread_one() -> None:
    lab = await tenant()
    run_ids = await lab.queue(6, threads=3)
    assert [claim.run_id for claim in await take(2)] == run_ids[:2]
    assert [claim.run_id for claim in await take(5)] == run_ids[2:3]
    assert await take(5) == []
    await lab.end(run_ids[1])
    assert [claim.run_id for claim in await take(5)] == [run_ids[4]]


async def test_a_claim_brings_the_run_and_whether_it_is_the_first_of_its_thread() -> None:
    lab = await tenant()
    run_ids = await lab.queue(3, threads=2)
    taken = await take(3)
    assert [(claim.run_id, claim.opens_thread) for claim in taken] == [(run_ids[0], True), (run_ids[1], True)]
    await lab.end(run_ids[0])
    taken += await take(3)
    assert [(claim.run_id, claim.opens_thread) for claim in taken[2:]] == [(run_ids[2], False)]
    for claim in taken:
        row = await lab.row(claim.run_id)
        row.status = claim.run.status
        assert {column: getattr(row, column) for column in Run._meta.db_fields} == {
            column: getattr(claim.run, column) for column in Run._meta.db_fields
        }
        assert (claim.run.status, claim.run.executor_id, claim.run.epoch) == (RunStatus.RUNNING, "ada", 1)


async def test_whether_there_is_something_to_claim_is_seen_across_workspaces() -> None:
    assert not await claims.is_any_queued()
    lab = await tenant()
    await (await tenant()).queue(1)
    await lab.queue(2, threads=1)
    assert await claims.is_any_queued()
    assert len(await take(5)) == 2
    # One waits for its turn.
    assert await claims.is_any_queued()
    await lab.end((await lab.running())[0])
    assert len(await take(5)) == 1
    assert not await claims.is_any_queued()


async def test_no_more_runs_of_a_workspace_or_an_agent_at_once_than_the_limits_let() -> None:
    limits = Limits(per_workspace=5, per_agent=3)
    one = await tenant()
    other = await tenant(one.workspace_id)
    await one.queue(10)
    await other.queue(10)
    for executor_id in ("ada", "bob", "eve"):
        await take(4, limits, executor_id)
    assert [len(await agent.running()) for agent in (one, other)] == [3, 2]
    assert await take(10, limits) == []
    await one.end((await one.running())[0])
    await take(10, limits)
    assert [len(await agent.running()) for agent in (one, other)] == [3, 2]


async def test_places_go_to_the_workspace_that_has_the_fewest_runs_under_way() -> None:
    hoarder, early = await tenant(), await tenant()
    await hoarder.queue(20)
    await early.queue(3)
    assert len(await take(4)) == 4
    late = await tenant()
    await late.queue(3)
    workspaces = [claim.workspace_id for _ in range(5) for claim in await take(1)]
    assert Counter(workspaces) == {late.workspace_id: 3, early.workspace_id: 1, hoarder.workspace_id: 1}


async def test_whoever_claims_at_once_takes_no_run_twice_and_stays_within_the_limits() -> None:
    lab = await tenant()
    await lab.queue(40, threads=20)
    limits = Limits(per_workspace=15, per_agent=100)
    taken = await asyncio.gather(*(take(3, limits, f"executor {number}") for number in range(8)))
    run_ids = [claim.run_id for claims_of_one in taken for claim in claims_of_one]
    assert len(run_ids) == len(set(run_ids)) == 15


async def test_a_run_that_is_locked_is_left_for_the_next_look() -> None:
    lab = await tenant()
    first, second = await lab.queue(2)
    async with transaction([lab.workspace_id]):
        await Run.select_for_update(no_key=True).get(id=first)
        # As who cancels it does, in a connection of its own.
        task = asyncio.create_task(take(2), context=Context())
        assert [claim.run_id for claim in await task] == [second]
    assert [claim.run_id for claim in await take(2)] == [first]


async def test_a_claim_looks_at_little_of_a_long_queue(database_url: str) -> None:
    flood, late = await tenant(), await tenant()
    await flood.queue(5000)
    # By these statistics nearly every run is one of that queue.
    await execute(database_url, "ANALYZE runs")
    limits = Limits(per_workspace=8, per_agent=8)
    assert len(await take(64, limits)) == 8
    [run_id] = await late.queue(1)
    async with transaction(executor=True) as connection:
        await fetch(connection, claims._PREPARE)
        explained = await fetch(connection, f"EXPLAIN (ANALYZE, FORMAT JSON) {claims._CLAIM}", "ada", 64, [], 8, 8)
    plan = orjson.loads(explained[0]["QUERY PLAN"])[0]["Plan"]
    assert await late.running() == [run_id]
    assert most_rows(plan) < 100


def most_rows(plan: dict[str, Any]) -> float:
    """The most rows that any node of a plan gave or threw away, all its executions together."""
    own: float = (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
    return max([own, *(most_rows(child) for child in plan.get("Plans", []))])


async def test_a_run_that_kills_its_executors_is_told_from_those_that_were_at_hand_besides() -> None:
    lab = await tenant()
    deadly, *harmless = await lab.queue(6)
    killed = 0
    # Each executor is dead as soon as it has begun the deadly run; the others' runs take longer than that.
    for number in range(100):
        taken = {claim.run_id: claim for claim in await take(10, executor_id=f"doomed {number}")}
        if deadly in taken and taken[deadly].run.lost_workers == 5:
            break
        if deadly in taken:
            killed += 1
            await claims.requeue_dead("ada")
        else:
            await asyncio.gather(*(lab.end(run_id) for run_id in taken))
    lost = {run_id: (await lab.row(run_id)).lost_workers for run_id in harmless}
    assert killed == 5
    assert set(lost.values()) == {SUSPECT_AFTER}


async def test_what_an_executor_hands_back_in_good_order_counts_for_nothing() -> None:
    lab = await tenant()
    [run_id] = await lab.queue(1)
    for _ in range(7):
        [claim] = await take(1)
        assert await claims.requeue_others("ada", working_on=()) == [run_id]
    assert (claim.epoch, claim.run.lost_workers) == (7, 0)


async def test_a_new_run_is_written_as_if_it_had_been_queued_and_claimed() -> None:
    lab = await tenant()
    [queued_id] = await lab.queue(1)
    [claimed] = await take(1)
    run, writes = lab.new_run()
    taken = claims.claim_of_new(run, "ada")
    assert (run.status, run.epoch) == (RunStatus.QUEUED, 0)
    assert await claims.write_claimed(writes, taken, PLENTY)

    row, like = await lab.row(taken.run_id), await lab.row(queued_id)
    assert {column: getattr(row, column) for column in Run._meta.db_fields} == {
        column: getattr(taken.run, column) for column in Run._meta.db_fields
    }
    own = {"id", "thread_id", "created_at", "started_at"}
    assert {column: getattr(row, column) for column in Run._meta.db_fields - own} == {
        column: getattr(like, column) for column in Run._meta.db_fields - own
    }
    assert row.started_at is not None
    assert row.started_at >= row.created_at
    assert (taken.opens_thread, taken.epoch) == (claimed.opens_thread, claimed.epoch)
    assert await take(5) == []


async def test_a_new_run_waits_for_its_turn_where_any_run_does() -> None:
    lab, other = await tenant(), await tenant()
    [blocked] = await other.queue(1)
    assert not await lab.begin(PLENTY)
    assert await lab.rows() == (0, 0)
    await other.end(blocked)
    assert await lab.begin(PLENTY)


async def test_a_new_run_keeps_within_the_limits() -> None:
    lab = await tenant()
    other_agent, other_workspace = await tenant(lab.workspace_id), await tenant()
    limits = Limits(per_workspace=2, per_agent=1)
    assert await lab.begin(limits)
    assert not await lab.begin(limits)
    assert await other_agent.begin(limits)
    assert not await (await tenant(lab.workspace_id)).begin(limits)
    assert await other_workspace.begin(limits)
    assert await lab.rows() == (2, 2)
    await lab.end((await lab.running())[0])
    assert await lab.begin(limits)


async def test_a_new_run_waits_for_nobody_who_claims(database_url: str) -> None:
    lab = await tenant()
    claiming = await open_connection(database_url)
    async with claiming.transaction():
        await claiming.execute("SELECT pg_advisory_xact_lock($1)", claims._CLAIM_LOCK)
        async with asyncio.timeout(5):
            assert not await lab.begin(PLENTY)
    await claiming.close()
    assert await lab.rows() == (0, 0)
    assert await lab.begin(PLENTY)


async def test_what_is_claimed_after_the_statement_of_a_new_run_began_counts(database_url: str) -> None:
    """Not the statement's own snapshot does, which is taken before anybody has the lock."""
    lab = await tenant()
    asking, holding = await open_connection(database_url), await open_connection(database_url)
    await holding.execute("SELECT pg_advisory_lock(4711)")
    # The function is called for each row that it is selected from, and there is none before the lock is free.
    sql = """
    SELECT run_may_begin($1, $2, 1, 1) AS may_begin,
        (SELECT count(*) FROM runs WHERE status = 'RUNNING' AND agent_id = $2) AS seen FROM pg_advisory_xact_lock(4711)
    """
    answer = asyncio.create_task(asking.fetchrow(sql, lab.workspace_id, lab.agent_id))

    async def waits() -> bool:
        found = await holding.fetchval("SELECT count(*) FROM pg_locks WHERE objid = 4711 AND NOT granted")
        return bool(found == 1)

    await until(waits)
    assert await lab.begin(PLENTY)
    await holding.execute("SELECT pg_advisory_unlock(4711)")
    assert tuple(await answer or ()) == (False, 0)
    await asking.close()
    await holding.close()


async def test_executors_that_begin_and_claim_at_once_keep_within_the_limits() -> None:
    lab, limits = await tenant(), Limits(per_workspace=3, per_agent=2)
    begun = claimed = 0
    for _ in range(25):
        queued = await lab.queue(2)
        results = await asyncio.gather(
            *(lab.begin(limits, f"executor {number}") for number in range(3)),
            *(take(2, limits, f"executor {number}") for number in range(3)),
            *(lab.begin(limits, f"executor {number}") for number in range(3)),
        )
        begun += sum(result is True for result in results)
        claimed += sum(len(result) for result in results if isinstance(result, list))
        running = await lab.running()
        assert len(running) == 2
        for run_id in {*running, *queued}:
            await lab.end(run_id)
        again = await asyncio.gather(*(lab.begin(limits, f"executor {number}") for number in range(6)))
        assert 1 <= sum(again) == len(await lab.running()) <= 2
        begun += sum(again)
        for run_id in await lab.running():
            await lab.end(run_id)
    assert begun >= 25
    assert claimed >= 25
