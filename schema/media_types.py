"""Media types in HTTP's headers, as far as GraphQL over HTTP needs them: what is sent, and what is asked for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from starlette.requests import Request

JSON = "application/json"
GRAPHQL_RESPONSE = "application/graphql-response+json"
# Clients that name no type get the older one, whose status codes they expect.
RESPONSES = (JSON, GRAPHQL_RESPONSE)
_UTF_8 = ("utf-8", "utf8")


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type, or a range of them (``*/*``, ``text/*``), with its parameters: all in lower case."""

    name: str
    parameters: dict[str, str]

    @classmethod
    def parse(cls, text: str) -> "MediaType":
        """From a Content-Type, or one element of Accept. Never fails: nonsense makes a type that nobody asks for."""
        name, *rest = text.split(";")
        pairs = (parameter.partition("=") for parameter in rest)
        parameters = {key.strip().lower(): value.strip().strip('"').lower() for key, _, value in pairs}
        return cls(name.strip().lower(), parameters)

    @property
    def is_utf_8(self) -> bool:
        """Whether its text is UTF-8, which is what a type without a charset means here."""
        return self.parameters.get("charset", "utf-8") in _UTF_8

    @property
    def quality(self) -> float:
        """How much a client wants it: from 0, not at all, to 1."""
        try:
            quality = float(self.parameters.get("q", "1"))
        except ValueError:
            return 0
        return quality if 0 <= quality <= 1 else 0

    def specificity(self, name: str) -> int:
        """How exactly it means the type ``name``: 3 by name, 2 by ``type/*``, 1 by ``*/*``, 0 not at all."""
        ranges = ("*/*", f"{name.partition('/')[0]}/*", name)
        return ranges.index(self.name) + 1 if self.name in ranges else 0


def accept_of(request: Request) -> str:
    """The whole of the Accept header, which may come in several lines; empty where there is none."""
    return ",".join(request.headers.getlist("accept")).strip()


def negotiate(request: Request, offered: Sequence[str]) -> str | None:
    """The one of the ``offered`` types that the client wants most; None when it wants none of them.

    Among types wanted alike, one that is named comes before one that a range includes, the one named first before
    others, and else the first offered. A client that says nothing takes anything.

    Source: https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1
    """
    accept = accept_of(request)
    if not accept:
        return offered[0]
    ranges = [MediaType.parse(text) for text in accept.split(",")]
    wanted = list(_ranked(ranges, offered))
    return max(wanted)[-1] if wanted else None


def _ranked(ranges: Sequence[MediaType], offered: Sequence[str]) -> Iterator[tuple[float, int, int, int, str]]:
    """The acceptable ones, each behind what it is compared by: the greatest is wanted most."""
    for number, name in enumerate(offered):
        matches = [
            (media_range.specificity(name), -position, media_range.quality)
            for position, media_range in enumerate(ranges)
            if media_range.is_utf_8 and media_range.specificity(name)
        ]
        if matches:
            # Of several ranges that include a type the most specific one counts.
            specificity, position, quality = max(matches)
            if quality > 0:
                yield quality, specificity, position, -number, name
