"""The API keys of workspaces."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

import strawberry

from core.ids import IdPrefix
from core.permissions import Scope
from models.api_keys import ApiKey as ApiKeyRow
from models.api_keys import ApiKeyKind
from resolvers import api_keys
from resolvers.api_keys import ApiKeyForm
from schema.enums import publish_enum
from schema.errors import ConflictError, ForbiddenError, NotFoundError, ValidationError
from schema.fields import Input, mutation
from schema.info import Info
from schema.nodes import Node

publish_enum(
    Scope,
    "What an API key may be for. None includes another.",
    name="ApiKeyScope",
    READ="See what a member sees.",
    WRITE="Make and change agents.",
    RUN="Start and cancel runs.",
    ADMIN="Manage members, keys and credentials; read the audit record.",
    END_USERS="Make tokens for end users.",
)
publish_enum(
    ApiKeyKind,
    "Who holds a key.",
    SECRET="A program that keeps it secret.",
    BROWSER="Web pages, in which everybody can read it: it runs trusted operations only, and only from allowedOrigins.",
)


@strawberry.type(description="How a program calls, in the place of a person.")
class ApiKey(
    Node,
    prefix=IdPrefix.API_KEY,
    table=ApiKeyRow,
    made={"prefix_": lambda row: row.prefix, "scopes": lambda row: [Scope(scope) for scope in row.scopes]},
):
    name: str = strawberry.field(description="What its workspace calls it.")
    prefix_: str = strawberry.field(name="prefix", description="First characters, enough to recognise the key by.")
    kind: ApiKeyKind = strawberry.field(description="Who holds it.")
    scopes: list[Scope] = strawberry.field(description="What it is for.")
    allowed_origins: list[str] = strawberry.field(description="The pages that may use it, if it is for browsers.")
    created_at: datetime = strawberry.field(description="When it was made.")
    expires_at: datetime | None = strawberry.field(description="When it stops working by itself; null for never.")
    last_used_at: datetime | None = strawberry.field(description="To the minute; null as long as nobody has used it.")
    revoked_at: datetime | None = strawberry.field(description="When it was revoked; null while it is not.")

    @classmethod
    async def find(cls, info: Info, key: UUID) -> Self | None:
        row = await api_keys.find(info.context, key)
        return cls.of(row) if row else None


@strawberry.input(description="A key to make.")
class CreateApiKeyInput:
    workspace_id: strawberry.ID = strawberry.field(description="The workspace that it is for, and for no other.")
    name: str = strawberry.field(description="To know it by: at most 200 characters.")
    kind: ApiKeyKind = strawberry.field(default=ApiKeyKind.SECRET, description="Who is to hold it.")
    scopes: list[Scope] = strawberry.field(description="What it is for; at least one, and none includes another.")
    allowed_origins: list[str] = strawberry.field(
        default_factory=list, description="For a browser key, the pages that may use it: https://shop.example"
    )
    expires_at: datetime | None = strawberry.field(
        default=None, description="When it is to stop working; by default it works until it is revoked."
    )
    idempotency_key: str | None = strawberry.field(
        default=None,
        description="Sending the same again within 24 hours makes nothing new: as the secret is shown once, it is a "
        "ConflictError that names the key.",
    )


@strawberry.type(description="The key is made.")
class CreateApiKeyPayload:
    api_key: ApiKey = strawberry.field(description="The key.")
    secret: str = strawberry.field(
        description="Shown this once, as only its hash is kept. Send it as `Authorization: Bearer ...`."
    )


CreateApiKeyResult = Annotated[
    CreateApiKeyPayload | ValidationError | ForbiddenError | NotFoundError | ConflictError,
    strawberry.union("CreateApiKeyResult", description="What came of createApiKey."),
]


@strawberry.input(description="A key to revoke.")
class RevokeApiKeyInput:
    api_key_id: strawberry.ID = strawberry.field(description="The key.")


@strawberry.type(description="The key is worth nothing any more, and what was live by it ends.")
class RevokeApiKeyPayload:
    api_key: ApiKey = strawberry.field(description="The key as it is now.")


RevokeApiKeyResult = Annotated[
    RevokeApiKeyPayload | ForbiddenError | NotFoundError,
    strawberry.union("RevokeApiKeyResult", description="What came of revokeApiKey."),
]


@strawberry.type
class ApiKeyMutation:
    @mutation("Make an API key. Needs the role ADMIN; an API key can make keys that do no more than itself.")
    async def create_api_key(self, info: Info, input: Input[CreateApiKeyInput]) -> CreateApiKeyResult:
        form = ApiKeyForm(
            workspace_id=input.workspace_id,
            name=input.name,
            kind=input.kind,
            scopes=input.scopes,
            allowed_origins=input.allowed_origins,
            expires_at=input.expires_at,
            idempotency_key=input.idempotency_key,
        )
        row, secret = await api_keys.create(info.context, form)
        return CreateApiKeyPayload(api_key=ApiKey.of(row), secret=secret)

    @mutation("Make an API key worth nothing, at once and for ever. Needs the role ADMIN.")
    async def revoke_api_key(self, info: Info, input: Input[RevokeApiKeyInput]) -> RevokeApiKeyResult:
        return RevokeApiKeyPayload(api_key=ApiKey.of(await api_keys.revoke(info.context, input.api_key_id)))
