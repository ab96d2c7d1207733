"""What events keep of rows comes back as it was."""

import json
from datetime import UTC, datetime
from decimal import Decimal

from core.ids import new_id
from models import snapshots
from models.llm_calls import RunUsage
from models.run_steps import RunStep, StepKind, StepStatus
from models.runs import Run, RunStatus

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)


def make_run() -> Run:
    return Run(id=new_id(), workspace_id=new_id(), input="Hello", status=RunStatus.QUEUED)


def test_a_run_is_shown_as_it_was_then() -> None:
    run = make_run()
    queued = json.loads(json.dumps(snapshots.of_run(run, RunUsage())))
    run.update_from_dict(
        {
            "status": RunStatus.FAILED,
            "output_text": "So far",
            "output": {"a": [1, None]},
            "failure_code": "INTERNAL",
            "failure_message": "Oh.",
            "failure_retryable": True,
            "started_at": AT,
            "finished_at": AT,
        }
    )
    usage = RunUsage(2**40, 5, 1, Decimal("0.0000000001"), 2)
    failed = json.loads(json.dumps(snapshots.of_run(run, usage)))

    then, spent = snapshots.restore_run(run, queued)
    assert (then.id, then.input, then.status) == (run.id, "Hello", RunStatus.QUEUED)
    assert (then.output_text, then.output, then.failure_code) == (None, None, None)
    assert (then.started_at, then.finished_at) == (None, None)
    assert spent == RunUsage()
    assert run.status is RunStatus.FAILED

    later, spent = snapshots.restore_run(make_run(), failed)
    assert (later.status, later.output_text, later.output) == (RunStatus.FAILED, "So far", {"a": [1, None]})
    assert (later.failure_code, later.failure_message, later.failure_retryable) == ("INTERNAL", "Oh.", True)
    assert (later.started_at, later.finished_at) == (AT, AT)
    assert spent == usage


def test_a_step_is_shown_as_it_was_then() -> None:
    run = make_run()
    step = RunStep(
        id=new_id(),
        workspace_id=run.workspace_id,
        run_id=run.id,
        position=3,
        kind=StepKind.TOOL,
        name="weather",
        status=StepStatus.FAILED,
        attempt=2,
        input={"city": "Rome"},
        output=None,
        failure_code="TOOL_FAILED",
        failure_message="Rain.",
        failure_retryable=False,
        started_at=AT,
        finished_at=AT,
    )
    then = snapshots.restore_step(run, json.loads(json.dumps(snapshots.of_step(step))))
    for column in step._meta.db_fields:
        assert getattr(then, column) == getattr(step, column), column
