"""Which kind of stream an Accept header asks for."""

import pytest

from schema.event_streams import MULTIPART, SERVER_SENT_EVENTS, Framing, framing_for


@pytest.mark.parametrize(
    ("accept", "framing"),
    [
        ("text/event-stream", SERVER_SENT_EVENTS),
        ("Text/Event-Stream; charset=utf-8", SERVER_SENT_EVENTS),
        ("application/json, text/event-stream", SERVER_SENT_EVENTS),
        ("text/event-stream, multipart/mixed", SERVER_SENT_EVENTS),
        ("multipart/mixed", MULTIPART),
        ("multipart/mixed;subscriptionSpec=1.0, application/json", MULTIPART),
        ('multipart/mixed;boundary="graphql";subscriptionSpec="1.0",application/json', MULTIPART),
        ("multipart/mixed;subscriptionSpec=2.0, text/event-stream", SERVER_SENT_EVENTS),
        ("multipart/mixed;deferSpec=20220824,application/json", None),
        ("text/event-stream;q=0, multipart/mixed", MULTIPART),
        ("", None),
        ("*/*", None),
        ("application/json", None),
        ("text/html", None),
    ],
)
def test_the_first_kind_that_can_be_had_is_taken(accept: str, framing: Framing | None) -> None:
    assert framing_for(accept) is framing
