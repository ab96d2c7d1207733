"""What is asked of the objects of a list, before it is read: so that it is read without what nobody asks for."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import chain

from graphql import FieldNode, FragmentDefinitionNode, FragmentSpreadNode, InlineFragmentNode, SelectionNode
from strawberry.schema.name_converter import NameConverter
from strawberry.types import get_object_definition

from schema.info import Info
from schema.nodes import Node

Fragments = Mapping[str, FragmentDefinitionNode]


def columns_for(info: Info, kind: type[Node]) -> frozenset[str] | None:
    """The columns that hold what is asked of the objects of a connection, which ``info``'s field is; None where more is
    asked than what columns hold.
    """
    # `selected_fields` would first make objects of all that is asked for, here and below.
    fragments, fields = info._raw_info.fragments, info._raw_info.field_nodes
    parts = list(_fields_of(fields, fragments))
    edges = _fields_of([part for part in parts if part.name.value == "edges"], fragments)
    nodes = [part for part in chain(parts, edges) if part.name.value in ("nodes", "node")]
    known = _columns(kind, info.schema.config.name_converter)  # type: ignore[arg-type]  # classes are hashable
    asked = {field.name.value for field in _fields_of(nodes, fragments)} - {"__typename"}
    return frozenset(known[name] for name in asked) if asked <= known.keys() else None


def _fields_of(parents: Iterable[FieldNode], fragments: Fragments) -> Iterator[FieldNode]:
    """The fields that are selected right within ``parents``, on whatever conditions."""
    waiting: list[SelectionNode] = [
        node for parent in parents if parent.selection_set for node in parent.selection_set.selections
    ]
    spread: set[str] = set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, FieldNode):
            yield node
        elif isinstance(node, FragmentSpreadNode):
            name = node.name.value
            if name not in spread:
                spread.add(name)
                waiting += fragments[name].selection_set.selections
        elif isinstance(node, InlineFragmentNode):
            waiting += node.selection_set.selections


@cache
def _columns(kind: type[Node], names: NameConverter) -> Mapping[str, str]:
    """The column of each field that is read from one, by the field's name."""
    assert kind.table is not None
    columns = kind.table.column_names() - kind.made.keys()
    fields = get_object_definition(kind, strict=True).fields
    return {
        names.get_graphql_name(field): field.python_name
        for field in fields
        if field.is_basic_field and field.python_name in columns
    }
