"""What of a document one of its queries is planned and executed with."""

from typing import Any, NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLField,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    OperationDefinitionNode,
)
from graphql.execution.collect_fields import FieldDetails, FragmentDetails, collect_fields, collect_subfields
from graphql.execution.values import VariableValues
from graphql.pyutils import Path, is_awaitable
from graphql.type.definition import GraphQLResolveInfoHelpers
from strawberry.schema.schema_converter import GraphQLCoreConverter

from schema.arguments import NOTHING_GIVEN
from schema.leaves import LongWay

Details = list[FieldDetails]

# What a plan may take in memory for each token of its document, so that fragments within fragments make no giants of
# texts: more than the fields of any that spreads no fragment twice.
_BYTES_PER_TOKEN = 750
# What fields take at most: any, and besides that one that is more than a leaf that is read from an attribute.
_BYTES_PER_LEAF = 130
_BYTES_PER_FIELD = 1_100


def _no_help(*_: object) -> Any:
    raise LongWay


_NO_HELPERS = GraphQLResolveInfoHelpers(_no_help, _no_help)


class Asked(NamedTuple):
    """What a query is executed with, besides its plan."""

    context: Any
    variables: VariableValues


class Operation:
    """One query of a document, and what is the same for all of its fields."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, node: OperationDefinitionNode) -> None:
        self.schema, self.node = schema, node
        self.converter: GraphQLCoreConverter = schema._strawberry_schema.schema_converter  # type: ignore[attr-defined]
        self.fragments = {
            definition.name.value: definition
            for definition in document.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        self._details = {name: FragmentDetails(definition) for name, definition in self.fragments.items()}
        self._bytes_left = document.token_count * _BYTES_PER_TOKEN

    def fields(self, kind: GraphQLObjectType, within: Details | None = None) -> dict[str, Details]:
        """What is selected of an object of type ``kind``: that of the operation, or of the fields ``within`` which it
        is selected. Raises LongWay for too much in all.
        """
        if within is None:
            found = collect_fields(self.schema, self._details, NOTHING_GIVEN, kind, self.node)
        else:
            found = collect_subfields(self.schema, self._details, NOTHING_GIVEN, self.node, kind, within)
        self._take(len(found.grouped_field_set) * _BYTES_PER_LEAF)
        return found.grouped_field_set

    def count(self) -> None:
        """One of the fields is no mere leaf that is read from an attribute. Raises LongWay for too many of these."""
        self._take(_BYTES_PER_FIELD)

    def _take(self, size: int) -> None:
        self._bytes_left -= size
        if self._bytes_left < 0:
            raise LongWay

    def info(
        self, parent: GraphQLObjectType, field: GraphQLField, nodes: list[FieldNode], asked: Asked, path: Path
    ) -> GraphQLResolveInfo[Any]:
        """What graphql-core would tell the resolver of a field."""
        return GraphQLResolveInfo(
            nodes[0].name.value,
            nodes,
            field.type,
            parent,
            path,
            self.schema,
            self.fragments,
            None,
            self.node,
            asked.variables,
            asked.context,
            is_awaitable,
            None,
            _NO_HELPERS,
        )
