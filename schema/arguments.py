"""What resolvers are given by the plan of a query: what graphql-core and Strawberry would give them.

Both look at every argument and variable anew each time. What is the same each time is found once here, and what can't
be but a scalar or an enum takes no steps for inputs that are made of others.
"""

from collections.abc import Hashable, Mapping
from typing import Any

from graphql import (
    FieldNode,
    GraphQLField,
    GraphQLInputType,
    GraphQLSchema,
    OperationDefinitionNode,
    Undefined,
    coerce_input_value,
    get_argument_values,
    get_nullable_type,
    get_variable_values,
    is_leaf_type,
    print_ast,
)
from graphql.execution.get_variable_signature import GraphQLVariableSignature, get_variable_signature
from graphql.execution.values import VariableValues, VariableValueSource
from strawberry.relay import GlobalID
from strawberry.schema.schema_converter import GraphQLCoreConverter, get_arguments
from strawberry.types import Info
from strawberry.types.base import StrawberryOptional
from strawberry.types.field import StrawberryField

from schema.shortcuts import LongWay

NOTHING_GIVEN = VariableValues({}, {})


def _is_leaf(kind: GraphQLInputType) -> bool:
    return is_leaf_type(get_nullable_type(kind))


def _is_global_id(kind: Any) -> bool:
    return kind is GlobalID or (isinstance(kind, StrawberryOptional) and kind.of_type is GlobalID)


class Variables:
    """Those of an operation."""

    def __init__(self, schema: GraphQLSchema, operation: OperationDefinitionNode) -> None:
        self._schema = schema
        self._definitions = operation.variable_definitions or ()
        self._leaves: list[GraphQLVariableSignature] = []
        for definition in self._definitions:
            signature = get_variable_signature(schema, definition)
            if isinstance(signature, GraphQLVariableSignature) and _is_leaf(signature.type):
                self._leaves.append(signature)

    def coerce(self, given: Mapping[str, Any]) -> VariableValues:
        """What they are in the program. Raises LongWay, or anything, where they can't be that."""
        if len(self._leaves) < len(self._definitions) or any(leaf.name not in given for leaf in self._leaves):
            values = get_variable_values(self._schema, self._definitions, dict(given))
            if isinstance(values, list):
                raise LongWay
            return values
        sources = {leaf.name: VariableValueSource(leaf, given[leaf.name]) for leaf in self._leaves}
        coerced = {leaf.name: coerce_input_value(given[leaf.name], leaf.type) for leaf in self._leaves}
        if any(value is Undefined for value in coerced.values()):
            raise LongWay
        return VariableValues(sources, coerced)


class Arguments:
    """Those of a field that has a resolver."""

    def __init__(
        self, converter: GraphQLCoreConverter, field: StrawberryField, definition: GraphQLField, node: FieldNode
    ) -> None:
        self._converter, self._field, self._definition, self._node = converter, field, definition, node
        resolver = field.base_resolver
        assert resolver is not None
        info = resolver.info_parameter
        self._info_name = info.name if info else None
        self._is_plain = bool(resolver.self_parameter and not resolver.root_parameter and not resolver.parent_parameter)
        self._constants = self._find_constants() if self._is_plain else None
        self._names = self._find_names() if self._is_plain else None

    def of(self, source: Any, info: Info[Any, Any], variables: VariableValues) -> tuple[list[Any], dict[str, Any]]:
        """What to call the resolver with: by position, and by name."""
        if self._constants is not None:
            named = self._constants.copy()
        else:
            values = get_argument_values(self._definition, self._node, variables)
            if self._names is None:
                return self._convert(values, source, info)
            named = {python_name: values[name] for name, python_name in self._names.items() if name in values}
        if self._info_name is not None:
            named[self._info_name] = info
        return [source], named

    def _find_constants(self) -> dict[str, Any] | None:
        """Those of every time, if they depend on nothing and nobody can change them."""
        if any("$" in print_ast(argument) for argument in self._node.arguments or ()):
            return None
        _, named = self._convert(get_argument_values(self._definition, self._node, NOTHING_GIVEN), None, None)
        constants = {name: value for name, value in named.items() if name != self._info_name}
        return constants if all(isinstance(value, Hashable) for value in constants.values()) else None

    def _find_names(self) -> dict[str, str] | None:
        """By what the resolver calls each argument, if all of them are leaves, with which nothing is to be done."""
        if not all(_is_leaf(argument.type) for argument in self._definition.args.values()):
            return None
        if any(argument.is_maybe or _is_global_id(argument.type) for argument in self._field.arguments):
            return None
        name_of = self._converter.config.name_converter.from_argument
        return {name_of(argument): argument.python_name for argument in self._field.arguments}

    def _convert(self, values: dict[str, Any], source: Any, info: Any) -> tuple[list[Any], dict[str, Any]]:
        return get_arguments(
            field=self._field,
            source=source,
            info=info,
            kwargs=values,
            config=self._converter.config,
            scalar_registry=self._converter.scalar_registry,
        )
