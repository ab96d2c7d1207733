"""A provider on a bad day: it turns requests away, breaks off, talks nonsense and falls silent, and then answers."""

from collections.abc import Sequence
from itertools import cycle, islice

from tests.chaos.experiment import Experiment
from tests.chaos.load import RUNS, Plan, Stumble
from tests.upstream.replies import Reply, Signal, failure

# Each write of the answer is followed by a pause, which is a step too.
STEPS_PER_TOKEN = 2
STUMBLES_OF_A_RUN = 2


def is_overloaded(answer: Reply) -> Reply:
    return failure(429, "Slow down.", retry_after="1")


def is_broken(answer: Reply) -> Reply:
    return failure(500, "Something went wrong.")


def breaks_off(answer: Reply) -> Reply:
    return answer.then(Signal.CUT, after=20 * STEPS_PER_TOKEN)


def talks_nonsense(answer: Reply) -> Reply:
    return answer.then(b"data: {]\n\n", after=30 * STEPS_PER_TOKEN)


def falls_silent(answer: Reply) -> Reply:
    return answer.then(Signal.HANG, after=10 * STEPS_PER_TOKEN)


BEGUN: Sequence[Stumble] = (breaks_off, talks_nonsense, falls_silent)
STUMBLES: Sequence[Stumble] = (is_overloaded, is_broken, *BEGUN)


def stumbles_of(number: int) -> Sequence[Stumble]:
    """Those of one run: no two neighbours have the same."""
    return list(islice(cycle(STUMBLES), number, number + STUMBLES_OF_A_RUN))


async def test_what_a_provider_breaks_off_begins_again_and_is_paid_as_it_was_shown(experiment: Experiment) -> None:
    async with experiment.load(Plan(tokens=60, stumbles=stumbles_of)) as load:
        pass
    assert not load.client_errors
    assert experiment.findings is not None
    stumbles = [stumble for number in range(RUNS) for stumble in stumbles_of(number)]
    assert experiment.findings.rewinds == sum(stumble in BEGUN for stumble in stumbles)
