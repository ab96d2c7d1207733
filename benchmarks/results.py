"""All that was measured: values by system and measurement, of which the median counts."""

from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any

from benchmarks.measures import Figures

Key = tuple[str, str, str]


class Results:
    """Values in the order in which they were measured, by system, measurement and figure."""

    def __init__(self, systems: Iterable[str]) -> None:
        """``systems``: in the order in which they are to be shown; others come behind them."""
        self.systems = list(systems)
        self.values: dict[Key, list[float]] = {}
        self.machine: list[Figures] = []

    def add(self, system: str, measurement: str, figures: Mapping[str, float]) -> None:
        """What one measurement of a system came to."""
        if system not in self.systems:
            self.systems.append(system)
        for figure, value in figures.items():
            self.values.setdefault((system, measurement, figure), []).append(value)

    def median(self, system: str, measurement: str, figure: str) -> float | None:
        """None when it was not measured."""
        values = self.values.get((system, measurement, figure))
        return median(values) if values else None

    def measurements(self, kind: str) -> list[str]:
        """Those of a kind, such as "flat out", of any system: "flat out 1", "flat out 16" ..."""
        return list(dict.fromkeys(name for _, name, _ in self.values if name.startswith(f"{kind} ")))

    def as_json(self) -> dict[str, Any]:
        rows = [
            {"system": system, "measurement": measurement, "figure": figure, "median": median(values), "values": values}
            for (system, measurement, figure), values in self.values.items()
        ]
        return {"machine": self.machine, "figures": rows}
