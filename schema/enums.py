"""Enums of the layers below, as types of the schema."""

from enum import Enum
from typing import TypeVar

import strawberry
from strawberry.types.enum import StrawberryEnumDefinition

EnumT = TypeVar("EnumT", bound=Enum)


def publish_enum(enum: type[EnumT], description: str, *, name: str | None = None, **values: str) -> type[EnumT]:
    """Makes ``enum`` a type of the schema, under its own name or ``name``; ``values`` describe its members, by name."""
    published = strawberry.enum(enum, name=name, description=description)
    definition: StrawberryEnumDefinition = published.__strawberry_definition__  # type: ignore[attr-defined]
    for value in definition.values:
        value.description = values[value.name]
    return published
