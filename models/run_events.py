"""The log of each run's events."""

from typing import Any

from tortoise import fields
from tortoise.models import Model

from models.base import JsonField


class RunEvent(Model):
    """One logged event. The table is partitioned by ``run_id``; its true key is (``run_id``, ``seq``).

    The ORM knows no composite keys, so it is told of ``run_id`` alone: read with filters and in bulk, and written
    with SQL, never with ``save()``.
    """

    run_id = fields.UUIDField(primary_key=True)
    seq = fields.IntField()
    first_seq = fields.IntField(description="Below seq where adjacent deltas were merged into this one.")
    workspace_id = fields.UUIDField()
    step_id = fields.UUIDField(null=True)
    type = fields.CharField(max_length=32)
    payload: Any = JsonField()
    at = fields.DatetimeField()

    class Meta:
        table = "run_events"
