"""What we hold ourselves to, beside what was measured."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.results import Results
from benchmarks.systems import ONE_AND_ONE, ONE_PROCESS, WITHOUT_EXECUTOR

LITELLM = "strawberry + litellm"
LAG_LIMIT_MS = 50.0


@dataclass(frozen=True, slots=True)
class Mark:
    """``aim``: the bound of a ``value``, from below where ``at_least``. A value is None where it was not measured."""

    name: str
    aim: float
    value: Callable[[Results], float | None]
    form: str
    at_least: bool = False

    def row(self, results: Results) -> list[str] | None:
        """Name, aim, value, and whether it is met."""
        if (value := self.value(results)) is None:
            return None
        met = value >= self.aim if self.at_least else value <= self.aim
        bound = "at least" if self.at_least else "at most"
        return [self.name, f"{bound} {self.aim:g}", format(value, self.form), "yes" if met else "**no**"]


def measured(system: str, measurement: str, figure: str) -> Callable[[Results], float | None]:
    """The median of a figure."""
    return lambda results: results.median(system, measurement, figure)


def ratio(figure: str, of: tuple[str, str], to: tuple[str, str]) -> Callable[[Results], float | None]:
    """What a figure is in one system and measurement, as a multiple of what it is in another."""

    def value(results: Results) -> float | None:
        above, below = results.median(*of, figure), results.median(*to, figure)
        return above / below if above is not None and below else None

    return value


def added_first_token(system: str) -> Callable[[Results], float | None]:
    """How much later the first token of a single stream comes than by `direct`, in ms."""

    def value(results: Results) -> float | None:
        ours = results.median(system, "flat out 1", "first_token_ms")
        direct = results.median("direct", "flat out 1", "first_token_ms")
        return ours - direct if ours is not None and direct is not None else None

    return value


def streams_held(system: str) -> Callable[[Results], float | None]:
    """The most paced streams of those tried whose lag stayed below `LAG_LIMIT_MS`, all fewer ones included."""

    def value(results: Results) -> float | None:
        held = None
        for measurement in results.measurements("paced"):
            lag_ms = results.median(system, measurement, "lag_p99_ms")
            if lag_ms is None:
                continue
            if lag_ms >= LAG_LIMIT_MS:
                return held or 0.0
            held = float(measurement.split()[-1])
        return held

    return value


CPU = "server_cpu_s_per_1000_tokens"
IN_64 = {"of": (ONE_PROCESS, "flat out 64"), "to": (LITELLM, "flat out 64")}
BY_16 = {"of": (ONE_PROCESS, "flat out 200"), "to": (ONE_PROCESS, "flat out 16")}
BY_16_PACED = {"of": (ONE_PROCESS, "paced 200"), "to": (ONE_PROCESS, "paced 16")}
MARKS = (
    Mark("tokens/s of 64 streams, beside litellm's", 10, ratio("tokens_per_s", **IN_64), ".1f", at_least=True),
    Mark("server CPU per token of 64 streams, beside litellm's", 0.1, ratio(CPU, **IN_64), ".3f"),
    Mark("server CPU per token of 200 streams, beside that of 16", 1.1, ratio(CPU, **BY_16), ".2f"),
    Mark("the same, paced", 1.1, ratio(CPU, **BY_16_PACED), ".2f"),
    Mark("paced streams with a p99 lag under 50 ms", 200, streams_held(ONE_PROCESS), ".0f", at_least=True),
    Mark("added to the first token, executor in the server, ms", 10, added_first_token(ONE_PROCESS), ".1f"),
    Mark("added to the first token, server and worker, ms", 40, added_first_token(ONE_AND_ONE), ".1f"),
    Mark("idle RSS with an executor, MB", 170, measured(ONE_PROCESS, "start", "server_rss_mb"), ".0f"),
    Mark("idle RSS without, MB", 130, measured(WITHOUT_EXECUTOR, "start", "server_rss_mb"), ".0f"),
    Mark("cold start, s", 5, measured(ONE_PROCESS, "start", "cold_start_s"), ".1f"),
    Mark("`startRun`, 1/s", 150, measured(ONE_PROCESS, "starts", "starts_per_s"), ".0f", at_least=True),
    Mark("p95 of `startRun` at 75/s, ms", 50, measured(ONE_PROCESS, "starts", "start_p95_ms"), ".1f"),
    Mark("`{ __typename }`, CPU us", 400, measured(ONE_PROCESS, "requests", "typename_cpu_us"), ".0f"),
    Mark("100 runs by 6 scalars, CPU us", 1600, measured(ONE_PROCESS, "requests", "page_cpu_us"), ".0f"),
)
