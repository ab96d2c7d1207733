"""The load that every fault meets: runs that answer at length, a reader for each, and requests all the while."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from random import Random

import aiohttp

from tests.accounts import Member, sign_up
from tests.chaos.cluster import PATIENCE_S, Balancer, Cluster
from tests.chaos.readers import Reader
from tests.client import Answer, Json
from tests.operations import START_RUN, create_agent, new_key
from tests.servers.app import Address
from tests.upstream.replies import Reply, Usage, text
from tests.upstream.server import Exchange, Upstream

RUNS = 20
PAUSE_S = (0.03, 0.05)
BRIEF_TOKENS = 4
PROMPT_TOKENS = 9
# One request in so many starts a run.
STARTS_ONE_IN = 8
REQUEST_PAUSE_S = 0.1
VIEWER = "{ viewer { id } }"

# What a provider makes of an answer on a bad day.
Stumble = Callable[[Reply], Reply]


@dataclass(frozen=True)
class Speech:
    """What a model of the fake provider says. Each token takes four bytes, so that estimates of tokens are exact."""

    model: str
    tokens: tuple[str, ...]

    @property
    def text(self) -> str:
        return "".join(self.tokens)


def rehearse(upstream: Upstream, number: int, length: int, pause_s: float, stumbles: Sequence[Stumble] = ()) -> Speech:
    """A speech unlike those of other numbers, and the provider's model that gives it, however often it is asked.

    ``stumbles``: what becomes of it the first times.
    """
    tokens = tuple(f"{chr(ord('a') + number)}{at:02x} " for at in range(length))
    reply = text(*tokens, usage=Usage(PROMPT_TOKENS, length)).pausing(pause_s)
    return Speech(upstream.serve(*(stumble(reply) for stumble in stumbles), reply), tokens)


@dataclass(frozen=True)
class Plan:
    """How a load differs from others. ``restless_readers``: how many come and go. ``tokens``: of a long answer, at most
    256. ``address``: where readers connect, each time anew, if not to the servers in turn. ``stumbles``: what the
    provider does before the answer to the run of that number.
    """

    restless_readers: int = 5
    tokens: int = 120
    address: Callable[[], Address] | None = None
    stumbles: Callable[[int], Sequence[Stumble]] = lambda number: ()


DEFAULT_PLAN = Plan()


@dataclass(frozen=True)
class Accepted:
    """A run that the API accepted, and what it is to say. ``message`` names it at the provider."""

    run: Json
    message: str
    speech: Speech


@dataclass
class Caller:
    """Somebody whose requests never stop. Durations are seconds, beside the moment of the event loop's clock they end.

    ``errors``: by code, what requests were answered with; ``broken off``, when they were not.
    """

    balancer: Balancer
    token: str
    answered: list[tuple[float, float]] = field(default_factory=list)
    refusals: list[tuple[float, float]] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    async def send(self, query: str, /, **variables: object) -> Answer | None:
        """The answer, if there was one and it tells of no error."""
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            answer = await self.balancer.send(self.token, query, **variables)
        except (aiohttp.ClientError, OSError) as error:
            self.errors[f"broken off ({type(error).__name__})"] += 1
            return None
        if answer.errors:
            self.errors.update(answer.codes)
            self.refusals.append((clock(), clock() - began))
            return None
        self.answered.append((clock(), clock() - began))
        return answer

    async def start_run(self, agent: Json, message: str) -> Json:
        """A run, asked for with one key until there is an answer."""
        input = {"agentId": agent["id"], "message": message, "idempotencyKey": new_key()}
        async with asyncio.timeout(PATIENCE_S):
            while (answer := await self.send(START_RUN, input=input)) is None:  # noqa: ASYNC110  # it is asked again
                await asyncio.sleep(0.1)
        run: Json = answer.data["startRun"]["run"]
        return run


class Load:
    """What goes on while a fault is there."""

    def __init__(self, cluster: Cluster, member: Member, balancer: Balancer, rng: Random) -> None:
        self.cluster = cluster
        self.member = member
        self.balancer = balancer
        self.rng = rng
        self.accepted: list[Accepted] = []
        self.readers: list[Reader] = []
        # Of the runs that the test cancels.
        self.cancelled: set[str] = set()
        self.caller = Caller(balancer, member.access_token)
        self._reading: list[asyncio.Task[None]] = []
        self._calling: asyncio.Task[None] | None = None
        self._ending = False

    async def begin(self, plan: Plan) -> None:
        """Start the runs with a reader for each; then the requests."""
        speeches = [
            rehearse(self.cluster.upstream, number, plan.tokens, self.rng.uniform(*PAUSE_S), plan.stumbles(number))
            for number in range(RUNS)
        ]
        self.accepted += await asyncio.gather(*(self._start(speech) for speech in speeches))
        restless = self.rng.sample(self.accepted, plan.restless_readers)
        for accepted in self.accepted:
            leaves_after = [self.rng.randrange(2, plan.tokens) for _ in range(3)] if accepted in restless else []
            address, rng = plan.address or self.balancer.address, Random(self.rng.random())
            reader = Reader(address, self.member.access_token, accepted.run["id"], rng, leaves_after)
            self.readers.append(reader)
            self._reading.append(asyncio.create_task(reader.read()))
        self._calling = asyncio.create_task(self._call())

    async def _start(self, speech: Speech) -> Accepted:
        agent = await create_agent(self.member, f"openai_compatible/{speech.model}")
        message = new_key()
        return Accepted(await self.caller.start_run(agent, message), message, speech)

    async def _call(self) -> None:
        brief = rehearse(self.cluster.upstream, RUNS, BRIEF_TOKENS, pause_s=0.0)
        agent = await create_agent(self.member, f"openai_compatible/{brief.model}")
        turn = 0
        while not self._ending:
            turn += 1
            if turn % STARTS_ONE_IN == 0:
                message = new_key()
                self.accepted.append(Accepted(await self.caller.start_run(agent, message), message, brief))
            else:
                await self.caller.send(VIEWER)
            await asyncio.sleep(REQUEST_PAUSE_S)

    @property
    def client_errors(self) -> Counter[str]:
        """What readers and requests met with, by kind."""
        return sum((reader.errors for reader in self.readers), Counter(self.caller.errors))

    def exchanges(self, accepted: Accepted) -> list[Exchange]:
        """The provider's side of a run's model calls that it did not turn away, oldest first."""
        return [
            exchange
            for exchange in self.cluster.upstream.exchanges(accepted.speech.model)
            if exchange.body["messages"][-1]["content"] == accepted.message and exchange.status in (None, HTTPStatus.OK)
        ]

    def speaking(self) -> list[tuple[Accepted, Exchange]]:
        """The long answers that the provider is in the midst of."""
        latest = [(accepted, self.exchanges(accepted)[-1]) for accepted in self.long if self.exchanges(accepted)]
        return [(accepted, exchange) for accepted, exchange in latest if is_open(exchange)]

    @property
    def long(self) -> list[Accepted]:
        """The runs that have readers."""
        return self.accepted[:RUNS]

    async def until(self, condition: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
        async with asyncio.timeout(patience_s):
            while not condition():  # noqa: ASYNC110  # other processes' state
                await asyncio.sleep(0.005)

    async def until_all_speak(self, least_writes: int = 10) -> None:
        """Until the provider is in the midst of every long answer."""
        await self.until(
            lambda: all(
                any(exchange.writes >= least_writes for exchange in self.exchanges(accepted)) for accepted in self.long
            )
        )

    async def end(self) -> None:
        """Returns once every reader has its last event, and no more requests come.

        Raises:
            AssertionError: some readers wait in vain.
        """
        _, waiting = await asyncio.wait(self._reading, timeout=PATIENCE_S)
        assert not waiting, [(reader.run_id, reader.cursor) for reader in self.readers if not reader.is_done]
        await asyncio.gather(*self._reading)
        self._ending = True
        if self._calling:
            await self._calling

    async def aclose(self) -> None:
        tasks = [*self._reading, *([self._calling] if self._calling else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def is_open(exchange: Exchange) -> bool:
    """Whether the provider is still at that answer."""
    return not (exchange.answered.is_set() or exchange.closed.is_set())


@asynccontextmanager
async def loaded(cluster: Cluster, rng: Random, plan: Plan) -> AsyncIterator[Load]:
    """The load for the length of the block, in a workspace of its own; after it everybody has got to the end."""
    balancer = Balancer(cluster)
    load = Load(cluster, await sign_up(balancer.address()), balancer, rng)
    try:
        await load.begin(plan)
        yield load
        await load.end()
    finally:
        await load.aclose()
