"""How much an operation asks for, counted before anything is done for it.

Its cost is the number of fields that may have to be resolved, in points: each field counts one, those of a page's
objects as often as the page may have objects, and a mutation ten more. Depth, aliases, root fields and directives are
counted as if each fragment stood where it is spread. A fragment is looked at once, however often it is spread, so that
counting takes time in proportion to the document's length, whatever it stands for.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLList,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionNode,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_composite_type,
)

from core.errors import CostExceeded
from resolvers.pages import MAX_PAGE

# Many times what clients and their generators write. Introspection, as tools ask for it, is 15 levels deep.
LIMITS = {"depth": 20, "aliases": 100, "rootFields": 50, "directives": 100}
MUTATION_COST = 10
# What a list without pages is taken to have.
USUAL_LENGTH = 10
# The greatest number that is an integer to every reader of JSON.
_MOST = 2**53 - 1
# Introspection nests lists in lists, and the answer is the same few hundred names for everybody.
_INTROSPECTED_LENGTH = 2


class Measures(NamedTuple):
    """How much there is of everything that has a limit. ``introspects``: whether it asks about the schema."""

    cost: int
    depth: int
    aliases: int
    root_fields: int
    directives: int
    introspects: bool

    def check(self) -> None:
        """Raises CostExceeded for what is over its limit, the cost apart."""
        actual = (self.depth, self.aliases, self.root_fields, self.directives)
        for (measure, limit), number in zip(LIMITS.items(), actual, strict=True):
            if number > limit:
                raise CostExceeded(measure, limit, number)


class Measuring:
    """Measures the operations of a document, given what the variables of one of them would mean as sizes.

    Where a page's size depends on a variable that is not in ``sizes``, it is the usual one. ``sizing`` are the names of
    those on which sizes depend, as far as operations have been measured.
    """

    def __init__(
        self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode], sizes: Mapping[str, int | None]
    ) -> None:
        self.sizing: set[str] = set()
        self._schema = schema
        self._fragments = fragments
        self._sizes = sizes
        self._known: dict[str, _Weight] = {}

    def measure(self, operation: OperationDefinitionNode) -> Measures:
        """Raises CostExceeded where fragments are spread in one another without an end in sight."""
        try:
            weight = self._of_all(operation.selection_set.selections, self._schema.get_root_type(operation.operation))
        except RecursionError:
            raise CostExceeded("depth", LIMITS["depth"], None) from None
        extra = MUTATION_COST * weight.fields if operation.operation is OperationType.MUTATION else 0
        return Measures(
            cost=min(weight.once + weight.each + extra, _MOST),
            depth=weight.depth,
            aliases=min(weight.aliases, _MOST),
            root_fields=min(weight.fields, _MOST),
            directives=min(weight.directives + len(operation.directives or ()), _MOST),
            introspects=weight.introspects,
        )

    def _of_all(self, selections: Iterable[SelectionNode], parent: GraphQLNamedType | None) -> "_Weight":
        total = _Weight()
        for selection in selections:
            total = total.plus(self._of(selection, parent), len(selection.directives or ()))
        return total

    def _of(self, selection: SelectionNode, parent: GraphQLNamedType | None) -> "_Weight":
        match selection:
            case FieldNode():
                return self._of_field(selection, parent)
            case InlineFragmentNode(type_condition=condition):
                kind = self._schema.get_type(condition.name.value) if condition else parent
                return self._of_all(selection.selection_set.selections, kind)
            case FragmentSpreadNode():
                return self._of_fragment(selection.name.value)
        raise TypeError(selection)

    def _of_fragment(self, name: str) -> "_Weight":
        if name not in self._known:
            # One that is spread within itself ends here; validation refuses it.
            self._known[name] = _Weight()
            if fragment := self._fragments.get(name):
                condition = self._schema.get_type(fragment.type_condition.name.value)
                self._known[name] = self._of_all(fragment.selection_set.selections, condition)
        return self._known[name]

    def _of_field(self, node: FieldNode, parent: GraphQLNamedType | None) -> "_Weight":
        name = node.name.value
        field = self._schema.get_field(parent, name) if parent is not None and is_composite_type(parent) else None
        kind = get_named_type(field.type) if field else None
        within = self._of_all(node.selection_set.selections, kind) if node.selection_set else _Weight()
        once, each = 1 + within.once, 0
        if within.each:
            once += within.each * self._page_size(node, field)
        if field and within.once and isinstance(get_nullable_type(field.type), GraphQLList):
            # How many objects a connection's lists have is said where the connection is asked for.
            if parent is not None and parent.name.endswith("Connection"):
                once, each = 1, within.once
            else:
                once = 1 + within.once * self._length(node, field, parent)
        return _Weight(
            fields=1,
            once=once,
            each=each,
            depth=1 + within.depth,
            aliases=within.aliases + (node.alias is not None),
            directives=within.directives,
            introspects=within.introspects or name in ("__schema", "__type"),
        )

    def _page_size(self, node: FieldNode, field: GraphQLField | None) -> int:
        given = {argument.name.value: argument.value for argument in node.arguments or ()}
        for name in ("last", "first"):
            size = self._size(given[name]) if name in given else None
            if size is not None:
                return min(size, MAX_PAGE)
        first = field.args.get("first") if field else None
        return first.default_value if first and isinstance(first.default_value, int) else USUAL_LENGTH

    def _length(self, node: FieldNode, field: GraphQLField, parent: GraphQLNamedType | None) -> int:
        if parent is not None and parent.name.startswith("__"):
            return _INTROSPECTED_LENGTH
        sizes = [
            self._size(argument.value)
            for argument in node.arguments or ()
            if (known := field.args.get(argument.name.value)) and isinstance(get_nullable_type(known.type), GraphQLList)
        ]
        return max((size for size in sizes if size is not None), default=USUAL_LENGTH)

    def _size(self, node: ValueNode) -> int | None:
        match node:
            case VariableNode():
                self.sizing.add(node.name.value)
                return self._sizes.get(node.name.value)
            case IntValueNode():
                # What has more digits is no size, and takes long to read.
                return size_of(int(node.value)) if len(node.value) < 10 else MAX_PAGE
            case ListValueNode():
                return len(node.values)
            case NullValueNode():
                return None
        return MAX_PAGE


def size_of(value: object) -> int | None:
    """What a variable means where it is the size of a page, or a list; None for null, which means the usual size."""
    match value:
        case None:
            return None
        case list():
            return len(value)
        case int() if 0 <= value <= MAX_PAGE:
            return int(value)
    return MAX_PAGE


class _Weight(NamedTuple):
    """How much a selection asks for: ``once``, and for ``each`` object of the page that it is part of, in points.

    ``fields`` counts those of its outermost level.
    """

    fields: int = 0
    once: int = 0
    each: int = 0
    depth: int = 0
    aliases: int = 0
    directives: int = 0
    introspects: bool = False

    def plus(self, other: "_Weight", directives: int) -> "_Weight":
        return _Weight(
            self.fields + other.fields,
            self.once + other.once,
            self.each + other.each,
            max(self.depth, other.depth),
            self.aliases + other.aliases,
            self.directives + other.directives + directives,
            self.introspects or other.introspects,
        )
