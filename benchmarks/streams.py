"""One client's stream from each kind of server, checked as it arrives."""

from typing import Any, Protocol

import orjson

from benchmarks.answers import TEXT_SHA256, Received, Wrong
from benchmarks.wire import GraphQLSocket, Http, connect

CHAT = "subscription ($model: String!, $message: String!) { chat(model: $model, message: $message) { text } }"
START_RUN = """
mutation ($input: StartRunInput!) {
  startRun(input: $input) { ... on StartRunPayload { run { id } } ... on Error { code message } }
}"""
RUN_EVENTS = """
subscription ($runId: ID!) {
  runEvents(runId: $runId, after: 0) {
    __typename seq
    ... on TextDelta { text }
    ... on RunFinished { textSha256 run { status usage { outputTokens costUsd } } }
  }
}"""


class Client(Protocol):
    """Somebody with a connection of their own. ``agents``: the id of the agent on each model, where there are any."""

    async def open(self, port: int, token: str | None, agents: dict[str, str]) -> None:
        """Connect."""

    async def ask(self, model: str, name: str) -> Received:
        """Ask the model, in a stream of that name, and read its whole answer. Raises Wrong when it is not right."""


class OfUpstream:
    """Reads the model provider itself: the limit of what can be measured here."""

    async def open(self, port: int, token: str | None, agents: dict[str, str]) -> None:
        self._http = await connect(port, Http)

    async def ask(self, model: str, name: str) -> Received:
        received, rest = Received(), b""

        def take(data: bytes) -> None:
            nonlocal rest
            *events, rest = (rest + data).split(b"\n\n")
            at = self._http.arrived_at()
            for event in events:
                if not event.endswith(b"[DONE]"):
                    _take_chunk(orjson.loads(event[len("data: ") :]), received, at)

        self._http.on_data = take
        body = {"model": model, "messages": [{"role": "user", "content": name}], "stream": True}
        await self._http.post("/v1/chat/completions", orjson.dumps(body))
        received.end()
        return received


def _take_chunk(chunk: dict[str, Any], received: Received, at: float) -> None:
    for choice in chunk["choices"]:
        if text := choice["delta"].get("content"):
            received.take(text, at)


class OfPassingServer:
    """Subscribes to a server that passes on what the provider says."""

    async def open(self, port: int, token: str | None, agents: dict[str, str]) -> None:
        self._socket = await connect(port, GraphQLSocket)
        await self._socket.open()

    async def ask(self, model: str, name: str) -> Received:
        received = Received()

        def take(data: Any, at: float) -> None:
            received.take(data["chat"]["text"], at)

        await self._socket.run(CHAT, {"model": model, "message": name}, take)
        received.end()
        return received


async def start_run(socket: GraphQLSocket, agent_id: str, message: str) -> str:
    """The id of a new run of the agent."""
    results: list[Any] = []
    request = {"agentId": agent_id, "message": message}
    await socket.run(START_RUN, {"input": request}, lambda data, at: results.append(data))
    run_id: str = results[0]["startRun"]["run"]["id"]
    return run_id


class OfSynapse:
    """Starts a run, and follows it to its end."""

    async def open(self, port: int, token: str | None, agents: dict[str, str]) -> None:
        self._agents = agents
        self._socket = await connect(port, GraphQLSocket)
        await self._socket.open(token)

    async def ask(self, model: str, name: str) -> Received:
        run_id, received = await start_run(self._socket, self._agents[model], name), Received()
        kinds: list[str] = []

        def take(data: Any, at: float) -> None:
            event = data["runEvents"]
            kinds.append(event["__typename"])
            if kinds[-1] == "TextDelta":
                received.take(event["text"], at)
            elif kinds[-1] == "RunFinished" and event["textSha256"] != TEXT_SHA256:
                raise Wrong(f"Another text's SHA-256: {event}")

        await self._socket.run(RUN_EVENTS, {"runId": run_id}, take)
        received.end()
        if kinds[-1] != "RunFinished":
            raise Wrong(f"The stream ended with {kinds[-1]}.")
        return received


CLIENTS: dict[str, type[Client]] = {"direct": OfUpstream, "passing": OfPassingServer, "synapse": OfSynapse}
