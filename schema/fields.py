"""Strawberry's decorators with types that mypy can follow, and with the description that every field must have."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar, cast

import strawberry

T = TypeVar("T")
Resolver = TypeVar("Resolver", bound=Callable[..., Any])

# A mutation's only argument.
Input = Annotated[T, strawberry.argument(description="What to do.")]


def field(description: str) -> Callable[[Resolver], Resolver]:
    """A field that the decorated method resolves."""
    return cast(Callable[[Resolver], Resolver], strawberry.field(description=description))


def mutation(description: str) -> Callable[[Resolver], Resolver]:
    """A root field that changes something."""
    return cast(Callable[[Resolver], Resolver], strawberry.mutation(description=description))


def subscription(description: str) -> Callable[[Resolver], Resolver]:
    """A root field whose values the decorated async generator yields."""
    return cast(Callable[[Resolver], Resolver], strawberry.subscription(description=description))
