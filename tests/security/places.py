"""Where ids stand in the schema, and operations that read all that stands around them; made from schema.graphql."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLUnionType,
    build_schema,
    get_named_type,
    is_composite_type,
    is_required_argument,
)

from tests.client import Json

SCHEMA = build_schema((Path(__file__).parents[2] / "schema.graphql").read_text())
ROOTS = {"Query": "query", "Mutation": "mutation", "Subscription": "subscription"}
# How many objects deep an operation reads below its root field: a list, its edges and nodes, and what hangs off these.
DEPTH = 4
_NOW = datetime.now(UTC)
# Of arguments that must be given, wherever a field is read.
_LITERALS = {
    "from": f'"{(_NOW - timedelta(days=1)).isoformat()}"',
    "to": f'"{(_NOW + timedelta(days=1)).isoformat()}"',
}


@dataclass(frozen=True, slots=True)
class Place:
    """Somewhere that an id can be given: ``path`` leads from the field's arguments, through inputs, to it."""

    type_name: str
    field: str
    path: tuple[str, ...]
    is_list: bool

    def __str__(self) -> str:
        return f"{self.type_name}.{self.field}({'.'.join(self.path)})"

    @property
    def input_name(self) -> str:
        """The same wherever an input is shared: ``RunFilter.agentId``."""
        kind = get_named_type(field_of(self.type_name, self.field).args[self.path[0]].type)
        for name in self.path[1:-1]:
            assert isinstance(kind, GraphQLInputObjectType)
            kind = get_named_type(kind.fields[name].type)
        return f"{kind.name}.{self.path[-1]}"

    def given(self, id: str, variables: Json | None = None) -> Json:
        """``variables`` with the id in this place."""
        given = deepcopy(variables or {})
        inner = given
        for name in self.path[:-1]:
            inner = inner.setdefault(name, {})
        inner[self.path[-1]] = [id] if self.is_list else id
        return given

    def found(self, variables: Json) -> str | None:
        """The id that ``variables`` have in this place."""
        value: Any = variables
        for name in self.path:
            value = (value or {}).get(name)
        found: str | None = value[0] if isinstance(value, list) else value
        return found


def object_types() -> list[GraphQLObjectType]:
    return [kind for kind in SCHEMA.type_map.values() if isinstance(kind, GraphQLObjectType) and kind.name[:2] != "__"]


def field_of(type_name: str, name: str) -> GraphQLField:
    kind = SCHEMA.type_map[type_name]
    assert isinstance(kind, GraphQLObjectType)
    field: GraphQLField = kind.fields[name]
    return field


def id_places() -> list[Place]:
    """Every argument, and every field of an input of an argument, that is of type ID."""
    return [
        Place(kind.name, name, (argument, *path), is_list)
        for kind in object_types()
        for name, field in kind.fields.items()
        for argument, value in field.args.items()
        for path, is_list in _ids_in(value.type, ())
    ]


def _ids_in(kind: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], bool]]:
    is_list, named = _is_list(kind), get_named_type(kind)
    if named.name == "ID":
        yield path, is_list
    if isinstance(named, GraphQLInputObjectType):
        for name, field in named.fields.items():
            inner = list(_ids_in(field.type, (*path, name)))
            assert not (inner and is_list), f"{named.name}: say here how an id in a list of inputs is tried"
            yield from inner


def _is_list(kind: Any) -> bool:
    inner = kind.of_type if isinstance(kind, GraphQLNonNull) else kind
    return isinstance(inner, GraphQLList)


def id_fields() -> set[str]:
    """Every field that answers an id, as ``Run.id``; of types that can be answered at all."""
    return {
        f"{kind.name}.{name}"
        for kind in object_types()
        for name, field in kind.fields.items()
        if get_named_type(field.type).name == "ID"
    }


def connections() -> list[tuple[str, str]]:
    """Every field that answers a page of a list: its type, and its name."""
    return [
        (kind.name, name)
        for kind in object_types()
        for name, field in kind.fields.items()
        if get_named_type(field.type).name.endswith("Connection")
    ]


def operation(type_name: str, name: str) -> str:
    """An operation that reads all of one field, of a root or of the object whose id is ``$parent``.

    Its arguments are variables of their names; those that the variables leave out have their defaults.
    """
    field = field_of(type_name, name)
    given = [argument for argument in field.args if argument not in _LITERALS]
    variables = [f"${argument}: {_declared(field.args[argument])}" for argument in given]
    values = [f"{argument}: ${argument}" for argument in given]
    values += [f"{argument}: {_LITERALS[argument]}" for argument in field.args if argument in _LITERALS]
    read = f"{name}{_in_brackets(values)} {selection(field.type)}"
    if type_name in ROOTS:
        return f"{ROOTS[type_name]} {_in_brackets(variables)} {{ {read} }}"
    variables.insert(0, "$parent: ID!")
    return f"query {_in_brackets(variables)} {{ node(id: $parent) {{ __typename ... on {type_name} {{ {read} }} }} }}"


def _declared(argument: GraphQLArgument) -> str:
    """The type of a variable for an argument: it may be left out wherever the argument may."""
    return str(argument.type) if is_required_argument(argument) else str(argument.type).removesuffix("!")


def node_query(type_name: str) -> str:
    """Reads all of an object by its id."""
    kind = SCHEMA.type_map[type_name]
    return f"query ($id: ID!) {{ node(id: $id) {{ __typename ... on {type_name} {selection(kind)} }} }}"


def selection(kind: Any, depth: int = DEPTH) -> str:
    """All fields of a type, down to ``depth`` objects; nothing of a type without fields."""
    named = get_named_type(kind)
    if not is_composite_type(named):
        return ""
    if isinstance(named, GraphQLObjectType):
        return f"{{ __typename {' '.join(_fields(named, depth))} }}"
    return f"{{ __typename {' '.join(_fragments(named, depth))} }}"


def _fields(kind: GraphQLObjectType, depth: int) -> Iterator[str]:
    for name, field in kind.fields.items():
        if any(is_required_argument(value) and argument not in _LITERALS for argument, value in field.args.items()):
            continue
        if not is_composite_type(get_named_type(field.type)):
            yield name
        elif depth > 1:
            yield f"{name}{_in_brackets(list(_required(field.args)))} {selection(field.type, depth - 1)}"


def _required(arguments: dict[str, GraphQLArgument]) -> Iterator[str]:
    for name, argument in arguments.items():
        if is_required_argument(argument):
            yield f"{name}: {_LITERALS[name]}"


def _fragments(kind: GraphQLNamedType, depth: int) -> Iterator[str]:
    """Of a union or an interface; errors have the fields of their interface."""
    assert isinstance(kind, GraphQLUnionType | GraphQLInterfaceType)
    if kind.name == "Node":
        yield "id"
        return
    members = SCHEMA.get_possible_types(kind)
    if any("Error" in [interface.name for interface in member.interfaces] for member in members):
        yield "... on Error { code message path }"
    for member in members:
        if "Error" not in [interface.name for interface in member.interfaces]:
            yield f"... on {member.name} {selection(member, depth)}"


def _in_brackets(items: list[str]) -> str:
    return f"({', '.join(items)})" if items else ""


def walk(kind: Any, visit: Callable[[str, str, Any], None]) -> None:
    """Calls ``visit`` with the type, name and value of every field of an answer that says its types."""
    if isinstance(kind, list):
        for item in kind:
            walk(item, visit)
    elif isinstance(kind, dict):
        for name, value in kind.items():
            if "__typename" in kind:
                visit(kind["__typename"], name, value)
            walk(value, visit)
