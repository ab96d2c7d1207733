"""GraphQL documents: parsed and validated within limits, and once only while they are among the recent ones."""

from collections.abc import Mapping
from contextlib import suppress
from sys import getsizeof
from typing import Any

from cachetools import LRUCache
from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OverlappingFieldsCanBeMergedRule,
    ValidationContext,
    parse,
    specified_rules,
    validate,
    value_from_ast_untyped,
)
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from core.errors import CostExceeded
from schema.event_encoder import KnownLeaves
from schema.measures import LIMITS, Measures, Measuring, size_of
from schema.operations import Operation
from schema.plans import Plan
from schema.shortcuts import Allowance

# Far beyond what people and generators write; text that is longer belongs into variables.
MAX_CHARS = 400_000
MAX_TOKENS = 2_000
MAX_COMMENTS = 1_000
MAX_OPERATIONS = 50
# Each takes time to describe, and nobody reads more.
MAX_ERRORS = 10
# Comparisons of fields: thirty fragments that ask the same ten fields of an object need half as many.
MERGE_BUDGET = 10_000
# Measurements that are kept of one document; they differ by the sizes of pages.
_MEASURED = 16

# Room for several hundred documents such as applications send.
CACHE_BYTES = 64_000_000
# What a token takes in memory, with the node that it became a part of.
_BYTES_PER_TOKEN = 450
# What may be kept for a document's operations: plans, and what is known of events. It is more than each of the fields
# takes that stand in the text.
_KEPT_BYTES_PER_TOKEN = 750
# The same for any document, however short.
_BYTES_PER_DOCUMENT = 4_000
# No document may drive out more than a twentieth of the others.
_LARGEST_SHARE = 20


class FieldsCanBeMerged(OverlappingFieldsCanBeMergedRule):
    """The specification's rule, whose work grows with the square of the number of fields, within a smaller budget."""

    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        self.rule_context.remaining_complexity_budget = MERGE_BUDGET


_RULES = (
    *(FieldsCanBeMerged if rule is OverlappingFieldsCanBeMergedRule else rule for rule in specified_rules),
    # Strawberry's own.
    MaybeNullValidationRule,
    OneOfInputValidationRule,
)


class InvalidDocument(Exception):
    """A document can't be parsed, is not valid for the schema, or asks for too much; ``errors`` say why."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(errors)
        self.errors = errors


class Document:
    """One document, parsed, with its operations."""

    def __init__(self, schema: GraphQLSchema, node: DocumentNode) -> None:
        self.node = node
        self.operations = [
            definition for definition in node.definitions if isinstance(definition, OperationDefinitionNode)
        ]
        self._schema = schema
        self._fragments = {
            definition.name.value: definition
            for definition in node.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        # For each operation the variables on which the sizes of its pages depend.
        self._sizing: dict[int, list[str]] = {}
        self._measured: LRUCache[Any, Measures] = LRUCache(_MEASURED)
        # What is kept for its operations, whichever are executed.
        self._allowance = Allowance(_BYTES_PER_DOCUMENT + node.token_count * _KEPT_BYTES_PER_TOKEN)
        self._plans: dict[int, Plan | None] = {}
        self._leaves: dict[int, KnownLeaves] = {}

    def check_limits(self) -> None:
        """Raises CostExceeded for limits that hold whatever the variables are."""
        if len(self.operations) > MAX_OPERATIONS:
            raise CostExceeded("operations", MAX_OPERATIONS, len(self.operations))
        measuring = Measuring(self._schema, self._fragments, {})
        for operation in self.operations:
            measuring.measure(operation).check()

    def plan(self, operation: OperationDefinitionNode) -> Plan | None:
        """How to answer one of the document's operations; None where there is no plan for it."""
        number = id(operation)
        if number not in self._plans:
            self._plans[number] = None
            # What is wrong with an operation is told when it is executed.
            with suppress(Exception):
                self._plans[number] = self._planned(operation)
        return self._plans[number]

    def _planned(self, operation: OperationDefinitionNode) -> Plan | None:
        if self.measure(operation, {}).directives:
            return None
        return Plan(Operation(self._schema, operation, self._fragments, self._allowance))

    def leaves(self, operation: OperationDefinitionNode) -> KnownLeaves | None:
        """What is known of the events of one of the document's subscriptions, for all who send it; None where that
        depends on variables, or it is none of the document's.
        """
        is_own = any(operation is own for own in self.operations)
        if not is_own or self.measure(operation, {}).directives:
            return None
        return self._leaves.setdefault(id(operation), KnownLeaves(self._allowance))

    def measure(self, operation: OperationDefinitionNode, given: Mapping[str, Any]) -> Measures:
        """How much one of the document's operations asks for, with the variables that were ``given``."""
        number = id(operation)
        if number in self._sizing:
            known = self._measured.get((number, *_sizes(given, self._sizing[number])))
            if known:
                return known
        defaults = {
            definition.variable.name.value: size_of(value_from_ast_untyped(definition.default_value))
            for definition in operation.variable_definitions or ()
            if definition.default_value
        }
        sizes = {name: size_of(value) for name, value in given.items()}
        measuring = Measuring(self._schema, self._fragments, defaults | sizes)
        measures = measuring.measure(operation)
        self._sizing[number] = sorted(measuring.sizing)
        self._measured[(number, *_sizes(given, self._sizing[number]))] = measures
        return measures


class Documents:
    """The documents of one schema. Valid ones are kept until more recent ones need their place; others never.

    ``cache_bytes``: how much memory those that are kept may take, by estimate.
    """

    def __init__(self, schema: GraphQLSchema, cache_bytes: int = CACHE_BYTES) -> None:
        self._schema = schema
        self._recent: LRUCache[str, Document] = LRUCache(cache_bytes, getsizeof=_size)

    def __len__(self) -> int:
        return len(self._recent)

    def find(self, text: str) -> Document | None:
        """The document that ``text`` is, if it is among those that are kept."""
        return self._recent.get(text)

    def get(self, text: str, *, suggest: bool = True) -> Document:
        """The document that ``text`` is. ``suggest``: whether errors may say which names the schema has instead.

        Raises:
            InvalidDocument: it is none, or not one for this schema, or asks for too much.
        """
        document = self._recent.get(text)
        if document is None:
            document = self._read(text, suggest)
            if _size(document) <= self._recent.maxsize / _LARGEST_SHARE:
                self._recent[text] = document
        return document

    def _read(self, text: str, suggest: bool) -> Document:
        try:
            document = Document(self._schema, _parse(text))
            document.check_limits()
        except GraphQLError as error:
            raise InvalidDocument([error]) from None
        except CostExceeded as error:
            raise InvalidDocument([GraphQLError(error.message, original_error=error)]) from None
        errors = validate(self._schema, document.node, _RULES, max_errors=MAX_ERRORS, hide_suggestions=not suggest)
        if errors:
            raise InvalidDocument([_without_cause(error) for error in errors])
        return document


def _parse(text: str) -> DocumentNode:
    """Raises GraphQLError for what is no document, CostExceeded for one that is too long."""
    if len(text) > MAX_CHARS:
        raise CostExceeded("characters", MAX_CHARS, len(text))
    try:
        return parse(text, max_lexical_tokens=MAX_TOKENS, max_comments=MAX_COMMENTS)
    except GraphQLError as error:
        if f"more than {MAX_TOKENS} tokens" in error.message:
            raise CostExceeded("tokens", MAX_TOKENS, None) from None
        if "nested too deeply" in error.message:
            raise CostExceeded("depth", LIMITS["depth"], None) from None
        raise


def _sizes(given: Mapping[str, Any], names: list[str]) -> list[int | str | None]:
    return [size_of(given[name]) if name in given else "not given" for name in names]


def _without_cause(error: GraphQLError) -> GraphQLError:
    """What is wrong with a document is its author's fault, also where Python said it: of integers of 5,000 digits."""
    return GraphQLError(error.message, error.nodes, error.source, error.positions)


def _size(document: Document) -> int:
    """An estimate in bytes, which errs on the large side. Comments are tokens that are kept, but not counted."""
    assert document.node.loc is not None
    text = document.node.loc.source.body
    # Literals and comments are copied out of the text, of which one wide character makes all others as wide.
    size = _BYTES_PER_DOCUMENT + 2 * getsizeof(text) + text.count("#") * _BYTES_PER_TOKEN
    return size + document.node.token_count * (_BYTES_PER_TOKEN + _KEPT_BYTES_PER_TOKEN)
