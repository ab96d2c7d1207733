"""Which media type a client gets, by what it says that it takes."""

import pytest
from starlette.requests import Request

from schema.media_types import GRAPHQL_RESPONSE, JSON, RESPONSES, negotiate

HTML = "text/html"
NEW = GRAPHQL_RESPONSE
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
APOLLO = "application/graphql-response+json,application/json;q=0.9"
URQL = f"{NEW}, application/graphql+json, {JSON}, text/event-stream, multipart/mixed"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ((), JSON),
        ((" ",), JSON),
        (("*/*",), JSON),
        (("application/*",), JSON),
        ((JSON,), JSON),
        ((NEW,), NEW),
        ((NEW.upper(),), NEW),
        ((f"{NEW}; charset=utf-8, {JSON}; charset=utf-8",), NEW),
        ((f"{JSON}, {NEW}",), JSON),
        ((JSON, NEW), JSON),
        ((NEW, JSON), NEW),
        ((APOLLO,), NEW),
        ((URQL,), NEW),
        ((BROWSER,), HTML),
        ((f"*/*, {NEW}",), NEW),
        ((f"{NEW};q=0.5, */*;q=0.4",), NEW),
        ((f"{NEW};q=0.4, {JSON};q=0.5",), JSON),
        ((f"{NEW};q=0.4, */*;q=0.5",), JSON),
        ((f"{JSON};q=0, */*",), NEW),
        ((f"{JSON};q=0, {NEW};q=0.000, */*;q=0.1",), HTML),
        ((f"{NEW};q=x, {JSON};q=0.1",), JSON),
        ((f"{NEW};q=7, {JSON};q=0.1",), JSON),
        ((f"{NEW};q=nan, {JSON};q=0.1",), JSON),
        ((f"{NEW};charset=utf-16, {JSON}",), JSON),
        ((f'{NEW};charset="UTF-8";q=1',), NEW),
        (("text/*",), HTML),
        (("text/plain",), None),
        (("*/*;q=0",), None),
        ((f"{JSON};q=0",), None),
        (("application/jsonevil",), None),
        (("json",), None),
        ((",;,=;;q,",), None),
    ],
)
def test_what_is_wanted_most_is_sent(accept: tuple[str, ...], expected: str | None) -> None:
    headers = [(b"accept", line.encode()) for line in accept]
    assert negotiate(Request({"type": "http", "headers": headers}), (*RESPONSES, HTML)) == expected
