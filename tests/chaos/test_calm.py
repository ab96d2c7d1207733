"""The load without a fault: what the others are compared with."""

from tests.chaos.experiment import Experiment
from tests.chaos.load import Plan


async def test_nothing_goes_wrong_without_a_fault(experiment: Experiment) -> None:
    async with experiment.load(Plan(restless_readers=0)) as load:
        pass
    experiment.figures.calm_lags_s += [lag.seconds for lag in experiment.lags]
    assert not load.client_errors
    assert [reader.connections for reader in load.readers] == [1] * len(load.readers)
