"""What an operation may come to instead of its payload."""

from typing import Any, TypeVar

PayloadT = TypeVar("PayloadT")


class ApiError(Exception):
    """An expected failure: a member of a result union that is not the payload."""

    def __init__(self, code: str, message: str, path: list[str] | None) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code
        self.path = path or []


def payload(result: Any, expected: type[PayloadT]) -> PayloadT:
    """The payload out of a result union.

    Raises:
        ApiError: for whatever else came; all of it implements `Error`.
    """
    if isinstance(result, expected):
        return result
    raise ApiError(result.code, result.message, result.path)
