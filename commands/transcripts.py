"""Following a run to its end, as any client of the API can."""

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from commands.client import ConnectionLost, GraphQLClient

RUN_EVENTS = """
subscription RunEvents($runId: ID!, $after: Int!) {
  runEvents(runId: $runId, after: $after) {
    __typename
    seq
    ... on TextDelta { stepId text }
    ... on RunRewound { stepId toSeq }
    ... on RunFinished {
      textSha256
      run { status failure { code message } usage { inputTokens outputTokens } thread { id } }
    }
  }
}
"""
RECONNECTS = 20
RECONNECT_AFTER_S = 0.5


@dataclass(slots=True)
class Transcript:
    """What a run has said so far: the texts that stand, by sequence number and step; ``seq``: the newest event seen.

    ``finished``: the run's last event, once it came.
    """

    seq: int = 0
    texts: list[tuple[int, str, str]] = field(default_factory=list)
    finished: dict[str, Any] | None = None

    def take(self, event: dict[str, Any]) -> None:
        self.seq = event["seq"]
        match event["__typename"]:
            case "TextDelta":
                self.texts.append((event["seq"], event["stepId"], event["text"]))
            case "RunRewound":
                gone = event["stepId"], event["toSeq"]
                self.texts = [text for text in self.texts if text[1] != gone[0] or text[0] <= gone[1]]
            case "RunFinished":
                self.finished = event

    @property
    def is_complete(self) -> bool:
        """Whether the run's own hash agrees that no character is missing, doubled or changed."""
        text = "".join(text for _, _, text in self.texts)
        return self.finished is not None and self.finished["textSha256"] == hashlib.sha256(text.encode()).hexdigest()


async def follow(client: GraphQLClient, run_id: str, on_event: Callable[[dict[str, Any]], None]) -> Transcript:
    """Shows ``on_event`` each of the run's events once, in order, and returns after the last.

    A lost connection is taken up again after the last event seen.

    Raises:
        CommandFailed: the server refused.
        ConnectionLost: it did not come back.
    """
    transcript = Transcript()
    lost = 0
    while True:
        try:
            async with aclosing(client.subscribe(RUN_EVENTS, runId=run_id, after=transcript.seq)) as events:
                async for event in events:
                    transcript.take(event)
                    on_event(event)
                    lost = 0
            return transcript
        except ConnectionLost:
            lost += 1
            if lost > RECONNECTS:
                raise
            await asyncio.sleep(RECONNECT_AFTER_S)
