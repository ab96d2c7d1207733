"""One client's stream from each kind of server."""

from typing import Protocol

import orjson

from benchmarks.answers import TEXT_SHA256, Received
from benchmarks.wire import GraphQLSocket, Http, connect, data_of

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
        """Ask the model, in a stream of that name, and read its whole answer, which is to be checked yet."""


class OfUpstream:
    """Reads the model provider itself: the limit of what can be measured here."""

    async def open(self, port: int, token: str | None, agents: dict[str, str]) -> None:
        self._http = await connect(port, Http)

    async def ask(self, model: str, name: str) -> Received:
        received = Received(_ChunkReader())
        self._http.on_data = lambda data: received.keep(data, self._http.arrived_at())
        body = {"model": model, "messages": [{"role": "user", "content": name}], "stream": True}
        await self._http.post("/v1/chat/completions", orjson.dumps(body))
        return received


class _ChunkReader:
    """Takes OpenAI's format apart, wherever it was cut."""

    def __init__(self) -> None:
        self._rest = b""

    def __call__(self, received: Received, data: bytes, at: float) -> None:
        *events, self._rest = (self._rest + data).split(b"\n\n")
        for event in events:
            if not event.endswith(b"[DONE]"):
                for choice in orjson.loads(event[len("data: ") :])["choices"]:
                    if text := choice["delta"].get("content"):
                        received.take(text, at)


class OfPassingServer:
    """Subscribes to a server that passes on what the provider says."""

    async def open(self, port: int, token: str | None, agents: dict[str, str]) -> None:
        self._socket = await connect(port, GraphQLSocket)
        await self._socket.open()

    async def ask(self, model: str, name: str) -> Received:
        received = Received(_read_chat)
        await self._socket.run(CHAT, {"model": model, "message": name}, received.keep)
        return received


def _read_chat(received: Received, message: bytes, at: float) -> None:
    received.take(data_of(message)["chat"]["text"], at)


async def start_run(socket: GraphQLSocket, agent_id: str, message: str) -> str:
    """The id of a new run of the agent."""
    results: list[bytes] = []
    request = {"agentId": agent_id, "message": message}
    await socket.run(START_RUN, {"input": request}, lambda result, at: results.append(result))
    run_id: str = data_of(results[0])["startRun"]["run"]["id"]
    return run_id


class OfSynapse:
    """Starts a run, and follows it to its end."""

    async def open(self, port: int, token: str | None, agents: dict[str, str]) -> None:
        self._agents = agents
        self._socket = await connect(port, GraphQLSocket)
        await self._socket.open(token)

    async def ask(self, model: str, name: str) -> Received:
        run_id = await start_run(self._socket, self._agents[model], name)
        received = Received(_read_event, is_proven=False)
        await self._socket.run(RUN_EVENTS, {"runId": run_id}, received.keep)
        return received


def _read_event(received: Received, message: bytes, at: float) -> None:
    """The last one proves the text."""
    event = data_of(message)["runEvents"]
    if event["__typename"] == "TextDelta" and not received.is_proven:
        received.take(event["text"], at)
    elif event["__typename"] == "RunFinished":
        received.is_proven = event["textSha256"] == TEXT_SHA256


CLIENTS: dict[str, type[Client]] = {"direct": OfUpstream, "passing": OfPassingServer, "synapse": OfSynapse}
