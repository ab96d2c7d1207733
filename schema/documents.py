"""GraphQL documents: parsed and validated within limits, and once only while they are among the recent ones."""

from cachetools import LRUCache
from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OverlappingFieldsCanBeMergedRule,
    ValidationContext,
    parse,
    specified_rules,
)
from strawberry.schema.schema import validate_document

# Far beyond what people and generators write; text that is longer belongs into variables.
MAX_CHARS = 400_000
MAX_TOKENS = 5_000
MAX_COMMENTS = 1_000
# Comparisons of fields: a hundred fragments that ask the same ten fields of an object need as many. With this budget, a
# document at the limits above takes a third of a second of the processor; with graphql-core's own it takes two.
MERGE_BUDGET = 50_000

# Room for several hundred documents such as applications send.
CACHE_BYTES = 32_000_000
# What a token takes in memory, with the node that it became a part of.
_BYTES_PER_TOKEN = 600
# No document may drive out more than a twentieth of the others.
_LARGEST_SHARE = 20


class FieldsCanBeMerged(OverlappingFieldsCanBeMergedRule):
    """The specification's rule, whose work grows with the square of the number of fields, within a smaller budget."""

    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        self.rule_context.remaining_complexity_budget = MERGE_BUDGET


_RULES = tuple(FieldsCanBeMerged if rule is OverlappingFieldsCanBeMergedRule else rule for rule in specified_rules)


class InvalidDocument(Exception):
    """A document can't be parsed, or is not valid for the schema; ``errors`` say why."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(errors)
        self.errors = errors


class Documents:
    """The documents of one schema. Valid ones are kept until more recent ones need their place; others never.

    ``cache_bytes``: how much memory those that are kept may take, by estimate.
    """

    def __init__(self, schema: GraphQLSchema, cache_bytes: int = CACHE_BYTES) -> None:
        self._schema = schema
        self._recent: LRUCache[str, DocumentNode] = LRUCache(cache_bytes, getsizeof=_size)

    def __len__(self) -> int:
        return len(self._recent)

    def get(self, text: str) -> DocumentNode:
        """The document that ``text`` is.

        Raises:
            InvalidDocument: it is none, or not one for this schema.
        """
        document = self._recent.get(text)
        if document is None:
            document = self._read(text)
            if _size(document) <= self._recent.maxsize / _LARGEST_SHARE:
                self._recent[text] = document
        return document

    def _read(self, text: str) -> DocumentNode:
        try:
            document = parse(
                text, max_lexical_tokens=MAX_TOKENS, max_comments=MAX_COMMENTS, max_source_length=MAX_CHARS
            )
        except GraphQLError as error:
            raise InvalidDocument([error]) from None
        errors = validate_document(self._schema, document, _RULES)
        if errors:
            raise InvalidDocument([_without_cause(error) for error in errors])
        return document


def _without_cause(error: GraphQLError) -> GraphQLError:
    """What is wrong with a document is its author's fault, also where Python said it: of integers of 5,000 digits."""
    return GraphQLError(error.message, error.nodes, error.source, error.positions)


def _size(document: DocumentNode) -> int:
    """An estimate in bytes, which errs on the large side. Comments are tokens that are kept, but not counted."""
    assert document.loc is not None
    text = document.loc.source.body
    return len(text) + (document.token_count + text.count("#")) * _BYTES_PER_TOKEN
