"""What of a document one of its queries is planned and executed with."""

from typing import Any, NamedTuple

from graphql import (
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
from schema.shortcuts import BYTES_PER_LEAF, BYTES_PER_OPERATION, Allowance, LongWay

Details = list[FieldDetails]


def _no_help(*_: object) -> Any:
    raise LongWay


_NO_HELPERS = GraphQLResolveInfoHelpers(_no_help, _no_help)


class Asked(NamedTuple):
    """What a query is executed with, besides its plan."""

    context: Any
    variables: VariableValues


class Operation:
    """One operation of a document, and what is the same for all of its fields."""

    def __init__(
        self,
        schema: GraphQLSchema,
        node: OperationDefinitionNode,
        fragments: dict[str, FragmentDefinitionNode],
        allowance: Allowance,
    ) -> None:
        """``fragments``: of the document, by name. ``allowance``: what the plan may take in memory.

        Raises:
            LongWay: there is too little left of that.
        """
        allowance.take(BYTES_PER_OPERATION + len(fragments) * BYTES_PER_LEAF)
        self.schema, self.node, self.allowance = schema, node, allowance
        self.converter: GraphQLCoreConverter = schema._strawberry_schema.schema_converter  # type: ignore[attr-defined]
        self._fragments = fragments
        self._details = {name: FragmentDetails(definition) for name, definition in fragments.items()}

    def fields(self, kind: GraphQLObjectType, within: Details | None = None) -> dict[str, Details]:
        """What is selected of an object of type ``kind``: that of the operation, or of the fields ``within`` which it
        is selected. Raises LongWay for more than is allowed.
        """
        if within is None:
            found = collect_fields(self.schema, self._details, NOTHING_GIVEN, kind, self.node)
        else:
            found = collect_subfields(self.schema, self._details, NOTHING_GIVEN, self.node, kind, within)
        self.allowance.take(len(found.grouped_field_set) * BYTES_PER_LEAF)
        return found.grouped_field_set

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
            self._fragments,
            None,
            self.node,
            asked.variables,
            asked.context,
            is_awaitable,
            None,
            _NO_HELPERS,
        )
