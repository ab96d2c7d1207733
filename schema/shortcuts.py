"""What the shorter ways to an answer than graphql-core's have in common: when they end, and what they may keep."""

# What is kept takes so much memory at most: for a field of any kind, besides for one that is more than a leaf that is
# read from an attribute, and for an operation apart from its fields.
BYTES_PER_LEAF = 130
BYTES_PER_FIELD = 1_100
BYTES_PER_OPERATION = 2_000


class LongWay(Exception):
    """graphql-core has to do it."""


class Allowance:
    """What may yet be kept for one document, in bytes, so that fragments within fragments make no giants of texts."""

    def __init__(self, size: float) -> None:
        self._left = size

    def take(self, size: int) -> None:
        """Raises LongWay where there is not so much left."""
        if size > self._left:
            raise LongWay
        self._left -= size
