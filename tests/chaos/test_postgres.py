"""PostgreSQL stops for a while. Nothing can be promised meanwhile, so the API says so quickly, and runs wait."""

import asyncio

import pytest

from tests.chaos.experiment import Experiment
from tests.chaos.figures import percentile
from tests.chaos.load import Plan
from tests.servers.postgres import TestPostgres

AWAY_S = 5.0
ANSWERED_WITHIN_S = 1.0


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_runs_wait_for_postgresql_and_the_api_says_so(
    experiment: Experiment, postgres: TestPostgres, mode: str
) -> None:
    clock = asyncio.get_running_loop().time
    async with experiment.load(Plan(restless_readers=0)) as load:
        await asyncio.to_thread(postgres.interrupt, mode)
        await asyncio.sleep(AWAY_S)
        await asyncio.to_thread(postgres.resume)
        back_at = clock()
        await load.until(lambda: bool(load.caller.answered) and load.caller.answered[-1][0] > back_at)
    refused_s = [seconds for _, seconds in load.caller.refusals]
    experiment.figures.answers_without_postgres_s += refused_s
    experiment.figures.recovered_after_postgres_s.append(
        min(at for at, _ in load.caller.answered if at > back_at) - back_at
    )
    assert load.client_errors.keys() <= {"INTERNAL", "closed 1013"}
    experiment.judge("an answer without PostgreSQL", percentile(refused_s, 95), ANSWERED_WITHIN_S)
