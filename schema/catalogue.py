"""The models that agents can be given."""

from decimal import Decimal
from typing import Annotated, Self

import strawberry

from providers.catalogue import CatalogueEntry
from resolvers import catalogue
from schema.fields import field
from schema.info import Info
from schema.providers import ProviderName


@strawberry.type(description="An entry of the model catalogue.")
class Model:
    name: str = strawberry.field(
        description="provider/model, the provider in lower case: openai/gpt-5. With another credential of the provider"
        " than `default`, its name stands in between: openai:NAME/model."
    )
    provider: ProviderName = strawberry.field(description="Who serves it.")
    context_window: int | None = strawberry.field(
        description="Tokens that it can take in and put out; null if unknown."
    )
    max_output_tokens: int | None = strawberry.field(description="The most tokens of one answer; null if unknown.")
    supports_tools: bool = strawberry.field(description="Whether it can be given tools.")
    supports_structured_output: bool = strawberry.field(description="Whether answers can be held to a JSON Schema.")
    input_usd_per_million_tokens: Decimal | None = strawberry.field(
        description="Price of a million input tokens in US dollars; null if unknown."
    )
    output_usd_per_million_tokens: Decimal | None = strawberry.field(
        description="Price of a million output tokens in US dollars; null if unknown."
    )
    available: bool = strawberry.field(
        description="Whether the workspace can call it now: a credential is set, or none is needed."
    )

    @classmethod
    def of(cls, entry: CatalogueEntry) -> Self:
        return cls(
            name=entry.name,
            provider=entry.provider,
            context_window=entry.context_window,
            max_output_tokens=entry.max_output_tokens,
            supports_tools=entry.supports_tools,
            supports_structured_output=entry.supports_structured_output,
            input_usd_per_million_tokens=entry.input_usd_per_million_tokens,
            output_usd_per_million_tokens=entry.output_usd_per_million_tokens,
            available=entry.available,
        )


@strawberry.type
class CatalogueQuery:
    @field("The models that agents of a workspace can be given.")
    async def models(
        self,
        info: Info,
        workspace_id: Annotated[strawberry.ID, strawberry.argument(description="The workspace that asks.")],
        provider: Annotated[ProviderName | None, strawberry.argument(description="Only this provider's.")] = None,
    ) -> list[Model]:
        return [Model.of(entry) for entry in await catalogue.models(info.context, workspace_id, provider)]
