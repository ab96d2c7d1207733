"""The schema keeps the promises of ``contract.graphql``: what is built must be as it says; the rest may be missing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from graphql import (
    REMOVE,
    DocumentNode,
    FieldDefinitionNode,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    InputValueDefinitionNode,
    NamedTypeNode,
    Node,
    TypeDefinitionNode,
    Visitor,
    VisitorAction,
    build_ast_schema,
    build_schema,
    parse,
    visit,
)
from graphql.utilities import DangerousChangeType, find_breaking_changes, find_dangerous_changes

from schema.schema import print_schema

CONTRACT = parse(Path(__file__).with_name("contract.graphql").read_text())
COMMITTED = Path(__file__).parents[2] / "schema.graphql"
OURS = build_schema(print_schema())
ROOTS = ("Query", "Mutation", "Subscription")
CHANGED_DEFAULTS = {DangerousChangeType.ARG_DEFAULT_VALUE_CHANGE, DangerousChangeType.INPUT_FIELD_DEFAULT_VALUE_CHANGE}


class WithoutWhatIsMissing(Visitor):
    """Takes from the contract each type that we lack, whatever refers to such a type, and root fields that we lack."""

    def enter(self, node: Node, _key: Any, _parent: Any, _path: Any, ancestors: list[Any]) -> VisitorAction:
        if isinstance(node, TypeDefinitionNode) and node.name.value not in OURS.type_map:
            return REMOVE
        if isinstance(node, FieldDefinitionNode | InputValueDefinitionNode) and named(node.type) not in OURS.type_map:
            return REMOVE
        # A union's members; other named types stand deeper in their fields.
        if isinstance(node, NamedTypeNode) and node.name.value not in OURS.type_map:
            return REMOVE
        if isinstance(node, FieldDefinitionNode) and isinstance(ancestors[-1], TypeDefinitionNode):
            owner = ancestors[-1].name.value
            if owner in ROOTS and node.name.value not in OURS.type_map[owner].fields:  # type: ignore[attr-defined]
                return REMOVE
        return None


def named(node: Any) -> str:
    """The type's name without its lists and exclamation marks."""
    while not isinstance(node, NamedTypeNode):
        node = node.type
    return node.name.value


def promised() -> DocumentNode:
    pruned = visit(CONTRACT, WithoutWhatIsMissing())
    assert isinstance(pruned, DocumentNode)
    return pruned


def described() -> Iterator[tuple[str, str | None]]:
    """Every element of the schema with its description."""
    for name, named_type in OURS.type_map.items():
        if name.startswith("__") or name in ("String", "Int", "Float", "Boolean", "ID"):
            continue
        yield name, named_type.description
        if isinstance(named_type, GraphQLEnumType):
            yield from ((f"{name}.{value}", item.description) for value, item in named_type.values.items())
        if isinstance(named_type, GraphQLInputObjectType):
            yield from ((f"{name}.{field}", item.description) for field, item in named_type.fields.items())
        if isinstance(named_type, GraphQLObjectType | GraphQLInterfaceType):
            for field, item in named_type.fields.items():
                yield f"{name}.{field}", item.description
                yield from ((f"{name}.{field}({arg})", value.description) for arg, value in item.args.items())


def test_nothing_that_is_built_breaks_the_contract() -> None:
    changes = find_breaking_changes(build_ast_schema(promised()), OURS)
    assert [change.description for change in changes] == []


def test_no_default_of_the_contract_is_changed_or_dropped() -> None:
    changes = find_dangerous_changes(build_ast_schema(promised()), OURS)
    assert [change.description for change in changes if change.type in CHANGED_DEFAULTS] == []


def test_the_contract_still_asks_for_what_is_built() -> None:
    """The check above would pass for nothing, did the pruning take too much."""
    kept = build_ast_schema(promised())
    workspace, sign_up = kept.type_map["Workspace"], kept.type_map["SignUpResult"]
    assert {"id", "name", "slug", "createdAt", "members"} <= set(workspace.fields)  # type: ignore[attr-defined]
    assert len(sign_up.types) == 4  # type: ignore[attr-defined]


def test_every_element_is_described() -> None:
    assert [name for name, description in described() if not description] == []


def test_the_committed_schema_is_the_one_that_is_served() -> None:
    assert COMMITTED.read_text() == print_schema(), "Run: make schema"
