"""API keys: how programs call, in the place of people."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from tortoise import fields

from core.permissions import Scope, Scopes
from models.base import JsonField, TenantRow


class ApiKeyKind(StrEnum):
    """Who holds a key: a program that keeps it secret, or web pages, in which everybody can read it."""

    SECRET = "SECRET"
    BROWSER = "BROWSER"


class ApiKey(TenantRow):
    """One key. The application may change ``last_used_at`` and ``revoked_at``, and nothing else of it."""

    name = fields.CharField(max_length=200)
    prefix = fields.CharField(max_length=32, description="The secret's first characters.")
    secret_hash = fields.CharField(
        max_length=64, unique=True, description="SHA-256 (hex) of the secret, which itself is not kept."
    )
    kind = fields.CharEnumField(ApiKeyKind, max_length=16)
    scopes: Any = JsonField(description="Array of strings.")
    allowed_origins: Any = JsonField(description="Array of strings; empty for a secret key.")
    created_by_id: UUID = fields.UUIDField(description="The principal who made it.")
    created_at = fields.DatetimeField(auto_now_add=True)
    expires_at = fields.DatetimeField(null=True)
    last_used_at = fields.DatetimeField(null=True, description="To the minute.")
    revoked_at = fields.DatetimeField(null=True)

    class Meta:
        table = "api_keys"
        indexes = (("workspace_id", "id"),)

    @property
    def rights(self) -> Scopes:
        return Scopes(frozenset(Scope(scope) for scope in self.scopes))

    @property
    def refusal(self) -> str | None:
        """Why the key is worth nothing now; None while it is good."""
        if self.revoked_at is not None:
            return "The API key was revoked."
        if self.expires_at is not None and self.expires_at <= datetime.now(UTC):
            return "The API key has expired."
        return None
