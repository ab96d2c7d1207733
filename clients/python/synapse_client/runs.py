"""Following a run to its end."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import TypeAlias

from websockets.exceptions import ConnectionClosed, WebSocketException

from synapse_client.client import SynapseClient
from synapse_client.generated import (
    GraphQLClientGraphQLMultiError,
    RunEventsRunEventsReasoningDelta,
    RunEventsRunEventsRunEvent,
    RunEventsRunEventsRunFinished,
    RunEventsRunEventsRunRewound,
    RunEventsRunEventsTextDelta,
    RunEventsRunEventsToolCalled,
)

TextDelta: TypeAlias = RunEventsRunEventsTextDelta
ReasoningDelta: TypeAlias = RunEventsRunEventsReasoningDelta
RunRewound: TypeAlias = RunEventsRunEventsRunRewound
RunFinished: TypeAlias = RunEventsRunEventsRunFinished
RunEvent: TypeAlias = (
    TextDelta | ReasoningDelta | RunRewound | RunFinished | RunEventsRunEventsToolCalled | RunEventsRunEventsRunEvent
)

MAX_FAILURES = 10
LONGEST_PAUSE_S = 10.0
FORBIDDEN = 4403


class StreamLost(Exception):
    """The server does not come back."""


async def follow_run(client: SynapseClient, run_id: str, after: int = 0) -> AsyncIterator[RunEvent]:
    """Every event of a run after the sequence number ``after``, once and in order, to the end of the run.

    Lost connections, restarts of the server and expired tokens are taken in stride: the stream goes on after the last
    event that came. To go on in another process, keep that event's ``seq``.

    Raises:
        ApiError: the session has ended.
        GraphQLClientGraphQLMultiError: the server refuses.
        StreamLost: it does not come back.
    """
    failures, finished = 0, False
    while True:
        lost: Exception | None = None
        try:
            async with aclosing(client.run_events(run_id, after)) as events:  # type: ignore[type-var]  # generators close
                async for event in events:
                    if _first_seq(event) != after + 1:
                        raise ConnectionError(f"Event {after + 1} was expected, and {_first_seq(event)} came.")
                    yield event
                    after, failures, finished = event.seq, 0, isinstance(event, RunFinished)
        except (OSError, WebSocketException, GraphQLClientGraphQLMultiError) as error:
            if _is_unauthenticated(error):
                client.session.expire()
            elif isinstance(error, GraphQLClientGraphQLMultiError):
                raise
            lost = error
        if finished:
            return
        if failures == MAX_FAILURES:
            raise StreamLost(f"No events after {after}.") from lost
        await asyncio.sleep(min(LONGEST_PAUSE_S, 0.1 * 2**failures) * random.random())
        failures += 1


def _first_seq(event: RunEvent) -> int:
    return event.first_seq if isinstance(event, TextDelta | ReasoningDelta) else event.seq


def _is_unauthenticated(error: Exception) -> bool:
    """Whether the access token is refused, by an operation's error or by the close code of the socket."""
    if isinstance(error, ConnectionClosed):
        return error.rcvd is not None and error.rcvd.code == FORBIDDEN
    errors = error.errors if isinstance(error, GraphQLClientGraphQLMultiError) else []
    return any((each.extensions or {}).get("code") == "UNAUTHENTICATED" for each in errors)
