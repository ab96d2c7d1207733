"""The load, in a process of its own: `python -m benchmarks.load` reads a job as one line of JSON, and prints what came
of it.

A job's ``kind`` names what is done, and its other fields are the arguments of the function below.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from itertools import cycle
from statistics import median, quantiles
from typing import Any

import orjson
import uvloop

from benchmarks.answers import SHORT, Received, Wrong
from benchmarks.streams import CLIENTS, RUN_EVENTS, START_RUN, Client, start_run
from benchmarks.wire import GraphQLSocket, Http, connect

Result = dict[str, Any]

# How many sockets are opened at once, so that none waits for so long that the server gives up on it.
OPENING = 16


async def streams(
    *,
    client: str,
    ports: list[int],
    upstream_port: int,
    model: str,
    at_once: int,
    each: int,
    spread_s: float = 0.0,
    token: str | None = None,
    agents: dict[str, str] | None = None,
) -> Result:
    """``at_once`` clients, each with a connection of its own, read ``each`` streams one after the other.

    They share ``ports`` evenly, and begin together, or evenly within ``spread_s`` seconds. Times are in seconds, lags
    from a token's write upstream; ``events`` are the pieces in which the tokens came.
    """
    clients = [CLIENTS[client]() for _ in range(at_once)]
    for one, port in zip(clients, cycle(ports), strict=False):
        await one.open(port, token, agents or {})
    upstream = await connect(upstream_port, Http)
    await upstream.get("/times")
    asked_at: dict[str, float] = {}
    answers: dict[str, Received] = {}

    async def ask(number: int, one: Client) -> None:
        await asyncio.sleep(spread_s * number / at_once)
        for turn in range(each):
            name = f"stream {number}.{turn}"
            asked_at[name] = time.monotonic()
            answers[name] = await one.ask(model, name)

    began = time.monotonic()
    await asyncio.gather(*(ask(number, one) for number, one in enumerate(clients)))
    wall_s = time.monotonic() - began
    written = orjson.loads(await upstream.get("/times"))
    for said in answers.values():
        said.check()
    lags = [came - went for name, said in answers.items() for came, went in zip(said.times, written[name], strict=True)]
    return {
        "wall_s": wall_s,
        "tokens": len(lags),
        "events": sum(said.events for said in answers.values()),
        "first_token_s": median(said.times[0] - asked_at[name] for name, said in answers.items()),
        "lag_p50_s": median(lags),
        "lag_p99_s": quantiles(lags, n=100)[98],
    }


async def requests(
    *, port: int, token: str | None, document: str, variables: dict[str, Any], count: int, connections: int, holds: int
) -> Result:
    """``count`` operations over HTTP, on some kept connections at once. Each answer has ``holds`` objects."""
    body = orjson.dumps({"query": document, "variables": variables})
    left = iter(range(count))

    async def ask(http: Http) -> None:
        for _ in left:
            answer = await http.post("/graphql", body, token)
            if _data(answer) and answer.count(b'"id":') != holds:
                raise Wrong(f"Not {holds} objects: {answer[:200]!r}")

    began = time.monotonic()
    await asyncio.gather(*[ask(await connect(port, Http)) for _ in range(connections)])
    return {"wall_s": time.monotonic() - began, "requests": count}


async def starts(
    *, port: int, token: str, agents: dict[str, str], seconds: float, connections: int, rate: float | None
) -> Result:
    """startRun over HTTP: without ``rate`` as fast as ``connections`` go, with it so many a second.

    Latencies in seconds count from when a mutation was due, however late it was sent.
    """
    idle: asyncio.Queue[Http] = asyncio.Queue()
    for _ in range(connections):
        idle.put_nowait(await connect(port, Http))
    variables = {"input": {"agentId": agents[SHORT], "message": "start"}}
    body = orjson.dumps({"query": START_RUN, "variables": variables})
    latencies: list[float] = []

    async def start(due: float, http: Http) -> None:
        _data(await http.post("/graphql", body, token))
        latencies.append(time.monotonic() - due)
        idle.put_nowait(http)

    began = due = time.monotonic()
    started: list[Awaitable[None]] = []
    while time.monotonic() < began + seconds:
        if rate is not None:
            await asyncio.sleep(due - time.monotonic())
        http = await idle.get()
        started.append(asyncio.create_task(start(time.monotonic() if rate is None else due, http)))
        due += 1 / rate if rate is not None else 0.0
    await asyncio.gather(*started)
    return {
        "starts_per_s": len(latencies) / (time.monotonic() - began),
        "latency_p50_s": median(latencies),
        "latency_p95_s": quantiles(latencies, n=100)[94],
    }


async def idle(*, port: int, token: str, agents: dict[str, str], sockets: int, each: int) -> Result:
    """``each`` subscriptions on each of some sockets, each to a run of its own that nobody executes.

    Prints a line when all of them have had their run's first event, and stays until there is no more input.
    """
    opening = asyncio.Semaphore(OPENING)
    following: list[asyncio.Task[None]] = []

    async def follow(socket: GraphQLSocket) -> None:
        run_id, begun = await start_run(socket, agents[SHORT], "idle"), asyncio.Event()
        task = asyncio.create_task(socket.run(RUN_EVENTS, {"runId": run_id}, lambda data, at: begun.set()))
        task.add_done_callback(lambda _: begun.set())
        following.append(task)
        await begun.wait()

    async def open_socket() -> None:
        async with opening:
            socket = await connect(port, GraphQLSocket)
            await socket.open(token)
            for _ in range(each):
                await follow(socket)

    await asyncio.gather(*(open_socket() for _ in range(sockets)))
    sys.stdout.buffer.write(b"open\n")
    sys.stdout.buffer.flush()
    await asyncio.to_thread(sys.stdin.buffer.read)
    if any(task.done() for task in following):
        raise Wrong("A subscription has ended.")
    return {"subscriptions": len(following)}


def _data(answer: bytes) -> dict[str, Any]:
    result = orjson.loads(answer)
    if "errors" in result or any("code" in value for value in result["data"].values() if isinstance(value, dict)):
        raise Wrong(f"Not an answer: {answer[:200]!r}")
    data: dict[str, Any] = result["data"]
    return data


KINDS: dict[str, Callable[..., Awaitable[Result]]] = {
    "streams": streams,
    "requests": requests,
    "starts": starts,
    "idle": idle,
}


async def _main() -> None:
    job = orjson.loads(sys.stdin.buffer.readline())
    sys.stdout.buffer.write(orjson.dumps(await KINDS[job.pop("kind")](**job)))


if __name__ == "__main__":
    uvloop.run(_main())
