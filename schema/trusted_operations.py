"""The operations that browser keys may run."""

from typing import Annotated

import strawberry

from core.errors import ValidationFailed
from resolvers import trusted_operations
from schema.errors import ForbiddenError, NotFoundError, ValidationError
from schema.execution import Schema
from schema.fields import Input, mutation
from schema.info import Info
from schema.persisted_documents import ID_PREFIX


@strawberry.input(
    description="Lets the workspace's browser keys run these documents, sent by id: documentId sha256:HEX of the exact "
    "text."
)
class TrustOperationsInput:
    workspace_id: strawberry.ID = strawberry.field(description="Whose browser keys.")
    documents: list[str] = strawberry.field(
        description="Their texts, as they stand in a persisted-documents.json; at most 1,000."
    )


@strawberry.type(description="The documents are trusted; those that were so already still are.")
class TrustOperationsPayload:
    document_ids: list[str] = strawberry.field(description="Of each document, in their order: sha256:HEX.")


TrustOperationsResult = Annotated[
    TrustOperationsPayload | ValidationError | ForbiddenError | NotFoundError,
    strawberry.union("TrustOperationsResult", description="What came of trustOperations."),
]


@strawberry.input(description="Documents that browser keys are to run no longer.")
class DistrustOperationsInput:
    workspace_id: strawberry.ID = strawberry.field(description="Whose browser keys.")
    document_ids: list[str] = strawberry.field(description="As trustOperations gave them.")


@strawberry.type(description="None of them is trusted any longer. What is under way goes on.")
class DistrustOperationsPayload:
    document_ids: list[str] = strawberry.field(description="Those that were named.")


DistrustOperationsResult = Annotated[
    DistrustOperationsPayload | ValidationError | ForbiddenError | NotFoundError,
    strawberry.union("DistrustOperationsResult", description="What came of distrustOperations."),
]


@strawberry.type
class TrustedOperationMutation:
    @mutation("Let browser keys run some documents. Needs the role EDITOR, or the scope WRITE.")
    async def trust_operations(self, info: Info, input: Input[TrustOperationsInput]) -> TrustOperationsResult:
        _require_valid(info, input.documents)
        digests = await trusted_operations.trust(info.context, input.workspace_id, input.documents)
        return TrustOperationsPayload(document_ids=[ID_PREFIX + digest for digest in digests])

    @mutation("Let browser keys run some documents no longer. Needs the role EDITOR, or the scope WRITE.")
    async def distrust_operations(self, info: Info, input: Input[DistrustOperationsInput]) -> DistrustOperationsResult:
        digests = [id.removeprefix(ID_PREFIX).lower() for id in input.document_ids]
        await trusted_operations.distrust(info.context, input.workspace_id, digests)
        return DistrustOperationsPayload(document_ids=input.document_ids)


def _require_valid(info: Info, documents: list[str]) -> None:
    info.context.require_principal()
    schema = info.schema
    assert isinstance(schema, Schema)
    for index, document in enumerate(documents):
        if not schema.is_valid(document):
            raise ValidationFailed("This document is not valid for the schema.", ("input", "documents", str(index)))
