"""What events keep of rows: the columns that change, as they were then, in JSON.

An event then shows the run or step of its moment without a read per event and subscriber. What never changes of a run
(its agent, its input) is not copied: the reader brings the row.
"""

import copy
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from models.llm_calls import RunUsage
from models.run_steps import RunStep, StepKind, StepStatus
from models.runs import Run, RunStatus

_RUN_COLUMNS = ("status", "output_text", "output", "failure_code", "failure_message", "failure_retryable")
_RUN_TIMES = ("started_at", "finished_at")
_STEP_COLUMNS = (
    "position",
    "name",
    "attempt",
    "input",
    "output",
    "failure_code",
    "failure_message",
    "failure_retryable",
)
_STEP_TIMES = ("started_at", "finished_at")


def _times_to_json(row: Run | RunStep, names: tuple[str, ...]) -> dict[str, str | None]:
    times: dict[str, datetime | None] = {name: getattr(row, name) for name in names}
    return {name: time.isoformat() if time else None for name, time in times.items()}


def _times_from_json(snapshot: dict[str, Any], names: tuple[str, ...]) -> dict[str, datetime | None]:
    return {name: datetime.fromisoformat(snapshot[name]) if snapshot[name] else None for name in names}


def of_run(run: Run, usage: RunUsage) -> dict[str, Any]:
    """The changeable columns of ``run``, and its usage."""
    columns = {name: getattr(run, name) for name in _RUN_COLUMNS}
    spent = asdict(usage) | {"cost_usd": format(usage.cost_usd, "f")}
    return columns | _times_to_json(run, _RUN_TIMES) | {"usage": spent}


def restore_run(run: Run, snapshot: dict[str, Any]) -> tuple[Run, RunUsage]:
    """A copy of the row ``run`` as it was at ``snapshot``, and its usage then."""
    then = copy.copy(run)
    columns = {name: snapshot[name] for name in _RUN_COLUMNS} | _times_from_json(snapshot, _RUN_TIMES)
    then.update_from_dict(columns | {"status": RunStatus(snapshot["status"])})
    usage = snapshot["usage"]
    return then, RunUsage(**(usage | {"cost_usd": Decimal(usage["cost_usd"])}))


def of_step(step: RunStep) -> dict[str, Any]:
    """All of ``step`` that a reader may see."""
    columns = {name: getattr(step, name) for name in _STEP_COLUMNS}
    return (
        columns
        | _times_to_json(step, _STEP_TIMES)
        | {"id": str(step.id), "kind": step.kind.value, "status": step.status.value}
    )


def restore_step(run: Run, snapshot: dict[str, Any]) -> RunStep:
    """The step of ``run`` as it was at ``snapshot``."""
    columns = {name: snapshot[name] for name in _STEP_COLUMNS} | _times_from_json(snapshot, _STEP_TIMES)
    return RunStep(
        id=UUID(snapshot["id"]),
        workspace_id=run.workspace_id,
        run_id=run.id,
        kind=StepKind(snapshot["kind"]),
        status=StepStatus(snapshot["status"]),
        **columns,
    )
