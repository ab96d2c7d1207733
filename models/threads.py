"""Conversations and what was said in them."""

from enum import StrEnum
from uuid import UUID

from tortoise import fields

from models.base import TenantRow


class MessageRole(StrEnum):
    """Who speaks."""

    USER = "USER"
    ASSISTANT = "ASSISTANT"
    TOOL = "TOOL"
    SYSTEM = "SYSTEM"


class Thread(TenantRow):
    """A conversation: the runs in it follow one another, never two at a time."""

    title = fields.CharField(max_length=200, null=True)
    end_user_id: UUID | None = fields.UUIDField(null=True, description="Whose it is, if it was begun on a page.")
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "threads"
        indexes = (("workspace_id", "id"),)


class Message(TenantRow):
    """One message. Conversations read in order of (``run_id``, ``position``).

    Runs of a thread are ordered by their time-ordered ids, so a message queued behind an answer stands after it
    whichever was stored first, and no two machines' clocks have to agree within a run.
    """

    thread: fields.ForeignKeyRelation[Thread] = fields.ForeignKeyField("synapse.Thread", related_name=False)
    thread_id: UUID
    run_id = fields.UUIDField()
    position = fields.IntField(description="0 for the user's message, then 1, 2 ... within the run.")
    role = fields.CharEnumField(MessageRole, max_length=16)
    text = fields.TextField()
    partial = fields.BooleanField(default=False)
    created_at = fields.DatetimeField(auto_now_add=True)

    class Meta:
        table = "messages"
        unique_together = (("run_id", "position"),)
        indexes = (("thread_id", "run_id", "position"),)
