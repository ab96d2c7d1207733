"""API keys over the API."""

from dataclasses import replace
from typing import Any

from tests.accounts import Member
from tests.client import Json
from tests.operations import CREATE_API_KEY, answer
from tests.servers.app import Address


async def make_key(member: Member, *scopes: str, **input: Any) -> Json:
    """A new key of the member's workspace, with its secret; ``input`` are fields of CreateApiKeyInput."""
    values = {"workspaceId": member.workspace_id, "name": "Nightly", "scopes": scopes} | input
    made = await answer(member.client, CREATE_API_KEY, **values)
    assert made["__typename"] == "CreateApiKeyPayload", made
    return made


async def as_key(server: Address, member: Member, *scopes: str, **input: Any) -> Member:
    """A program with a new key, in the place of the member."""
    return replace(member, client=server.client((await make_key(member, *scopes, **input))["secret"]))
