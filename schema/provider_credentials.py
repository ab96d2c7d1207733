"""The credentials of workspaces at model providers."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

import strawberry

from core.ids import IdPrefix
from models.provider_credentials import ProviderCredential as ProviderCredentialRow
from providers.catalogue import DEFAULT_CREDENTIAL
from resolvers import provider_credentials
from resolvers.provider_credentials import CredentialForm
from schema.errors import ForbiddenError, NotFoundError, ValidationError
from schema.fields import Input, mutation
from schema.info import Info
from schema.nodes import Node
from schema.providers import ProviderName


@strawberry.type(description="A provider key, stored encrypted; it never comes back out.")
class ProviderCredential(
    Node,
    prefix=IdPrefix.PROVIDER_CREDENTIAL,
    table=ProviderCredentialRow,
    made={"provider": lambda row: ProviderName(row.provider)},
):
    provider: ProviderName = strawberry.field(description="Whose key it is.")
    name: str = strawberry.field(
        description="Which of the provider's credentials; models are called with it as provider:NAME/model."
    )
    base_url: str | None = strawberry.field(description="Its own endpoint; null for the provider's usual one.")
    key_hint: str | None = strawberry.field(description="The last 4 characters of the key, to know it again by.")
    created_at: datetime = strawberry.field(description="When it was first set.")

    @classmethod
    async def find(cls, info: Info, key: UUID) -> Self | None:
        row = await provider_credentials.find(info.context, key)
        return cls.of(row) if row else None


@strawberry.input(description="A credential to set; one with the same provider and name is replaced as a whole.")
class SetProviderCredentialInput:
    workspace_id: strawberry.ID = strawberry.field(description="Whose calls it is for.")
    provider: ProviderName = strawberry.field(description="Whose key it is.")
    name: str = strawberry.field(
        default=DEFAULT_CREDENTIAL,
        description="Tells it from the provider's others: 1 to 64 of a-z, A-Z, 0-9, '.', '_' and '-'.",
    )
    api_key: str | None = strawberry.field(
        default=None, description="The key, for providers that ask for one. It can't be read back."
    )
    base_url: str | None = strawberry.field(
        default=None, description="Own endpoint: Ollama's address, a gateway, an OpenAI-compatible server."
    )


@strawberry.type(description="The credential is set.")
class SetProviderCredentialPayload:
    credential: ProviderCredential = strawberry.field(description="The credential, without its key.")


SetProviderCredentialResult = Annotated[
    SetProviderCredentialPayload | ValidationError | ForbiddenError | NotFoundError,
    strawberry.union("SetProviderCredentialResult", description="What came of setProviderCredential."),
]


@strawberry.type
class ProviderCredentialMutation:
    @mutation("Set a workspace's credential at a model provider; for owners and admins.")
    async def set_provider_credential(
        self, info: Info, input: Input[SetProviderCredentialInput]
    ) -> SetProviderCredentialResult:
        form = CredentialForm(
            workspace_id=input.workspace_id,
            provider=input.provider,
            name=input.name,
            api_key=input.api_key,
            base_url=input.base_url,
        )
        row = await provider_credentials.set_credential(info.context, form)
        return SetProviderCredentialPayload(credential=ProviderCredential.of(row))
