"""What was measured on the way, printed at the end."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field


def percentile(values: Sequence[float], percent: float) -> float:
    """By nearest rank: the smallest of ``values`` that at least so many percent of them do not exceed."""
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


@dataclass
class Figures:
    """Durations in seconds. ``client_errors``: by kind, all that any client saw, over all faults."""

    loads: int = 0
    runs: int = 0
    requests: int = 0
    tokens_delivered: int = 0
    tokens_recorded: int = 0
    reconnects: int = 0
    rewinds: int = 0
    resumed_after_kill_s: list[float] = field(default_factory=list)
    cancelled_s: list[float] = field(default_factory=list)
    calm_lags_s: list[float] = field(default_factory=list)
    lags_without_redis_s: list[float] = field(default_factory=list)
    waited_beside_a_flood_s: list[float] = field(default_factory=list)
    answers_without_postgres_s: list[float] = field(default_factory=list)
    recovered_after_postgres_s: list[float] = field(default_factory=list)
    refused_and_sent_elsewhere: int = 0
    memory_growth_bytes: list[int] = field(default_factory=list)
    client_errors: Counter[str] = field(default_factory=Counter)
    not_judged: list[str] = field(default_factory=list)

    def rows(self) -> list[tuple[str, str]]:
        """The table: what, and how much."""
        lost = self.tokens_delivered - self.tokens_recorded
        errors = ", ".join(f"{kind}: {count}" for kind, count in sorted(self.client_errors.items())) or "none"
        return [
            ("loads, each with its fault", str(self.loads)),
            ("runs accepted, and ended once", str(self.runs)),
            ("tokens in complete answers", f"{self.tokens_delivered:,}"),
            ("tokens lost", str(lost)),
            ("answers begun again (RunRewound)", str(self.rewinds)),
            ("times that readers came back", str(self.reconnects)),
            ("kills -9 of a busy worker", str(len(self.resumed_after_kill_s))),
            ("from kill -9 to all its answers going on", _seconds(self.resumed_after_kill_s, 95)),
            ("from cancelRun to the provider's socket closing", _seconds(self.cancelled_s, 95)),
            ("from a token's arrival to its reader, calm", _seconds(self.calm_lags_s, 99)),
            ("the same while Redis is away", _seconds(self.lags_without_redis_s, 99)),
            ("a run's wait while another workspace floods", _seconds(self.waited_beside_a_flood_s, 99)),
            ("answers of the API while PostgreSQL is away", _seconds(self.answers_without_postgres_s, 95)),
            ("from PostgreSQL's return to the first good answer", _seconds(self.recovered_after_postgres_s, 95)),
            ("requests, each answered", f"{self.requests:,}"),
            ("requests refused by one server and answered by the other", str(self.refused_and_sent_elsewhere)),
            ("most that a process grew over one fault", _megabytes(self.memory_growth_bytes)),
            ("errors that clients saw", errors),
            *(("not judged", what) for what in self.not_judged),
        ]


def _seconds(values: Sequence[float], percent: float) -> str:
    if not values:
        return "not measured"
    p50, high, most = percentile(values, 50), percentile(values, percent), max(values)
    return f"p50 {p50:.3f} s, p{percent:g} {high:.3f} s, most {most:.3f} s ({len(values)})"


def _megabytes(values: Sequence[int]) -> str:
    return f"{max(values) / 1e6:.1f} MB" if values else "not measured"
