"""Runs and their steps: what they are, and how they are started and cancelled."""

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Self

import strawberry

from core.ids import IdPrefix
from models.agents import Agent as AgentRow
from models.agents import AgentVersion as AgentVersionRow
from models.end_users import EndUser as EndUserRow
from models.llm_calls import RunUsage as UsageFigures
from models.run_steps import RunStep as RunStepRow
from models.run_steps import StepKind, StepStatus
from models.runs import Run as RunRow
from models.runs import RunStatus
from models.threads import Thread as ThreadRow
from models.users import User as UserRow
from resolvers import api_keys, runs
from schema.agents import Agent, AgentVersion
from schema.api_keys import ApiKey
from schema.end_users import EndUser
from schema.enums import publish_enum
from schema.errors import (
    BudgetExceededError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    RateLimitedError,
    ValidationError,
)
from schema.failures import RunFailure
from schema.fields import Input, field, mutation
from schema.info import Info
from schema.nodes import Node, node_of
from schema.pages import After, Connection, First
from schema.scalars import JSON, Long
from schema.threads import Thread
from services.runs import BusyPolicy

if TYPE_CHECKING:
    from schema.workspaces import User

publish_enum(
    StepKind,
    "What a step does.",
    MODEL="Calls a model.",
    TOOL="Calls a tool.",
    APPROVAL="Asks a person.",
    AGENT="Runs another agent.",
    WAIT="Waits for a time or a signal.",
    TRANSFORM="Makes one value of others.",
    BRANCH="Chooses what comes next.",
)
publish_enum(
    StepStatus,
    "Where a step stands.",
    RUNNING="It is being done.",
    WAITING="It waits for an approval, a signal or a time.",
    SUCCEEDED="It is done.",
    FAILED="It could not be done; `failure` says why.",
    CANCELLED="The run was cancelled in the middle of it.",
    SKIPPED="It was not needed.",
)
publish_enum(
    BusyPolicy,
    "What to do when the thread has a run that is not over.",
    QUEUE="Wait for it.",
    REJECT="Refuse, with a ConflictError.",
    CANCEL="Cancel it first.",
)


@strawberry.type(description="What a run has used so far.")
class RunUsage:
    input_tokens: Long = strawberry.field(description="Tokens that models took in.")
    output_tokens: Long = strawberry.field(description="Tokens that models put out.")
    cached_tokens: Long = strawberry.field(description="Those of inputTokens that providers served from their caches.")
    cost_usd: Decimal = strawberry.field(description="What it cost, in US dollars.")
    llm_calls: int = strawberry.field(description="Calls of models, failed ones included.")

    @classmethod
    def of(cls, usage: UsageFigures) -> Self:
        return cls(
            input_tokens=Long(usage.input_tokens),
            output_tokens=Long(usage.output_tokens),
            cached_tokens=Long(usage.cached_tokens),
            cost_usd=usage.cost_usd,
            llm_calls=usage.llm_calls,
        )


@strawberry.type(description="One step of a run: a model call, a tool call, an approval ...")
class RunStep(Node, prefix=IdPrefix.RUN_STEP, table=RunStepRow, made={"failure": RunFailure.of}):
    kind: StepKind = strawberry.field(description="What it does.")
    name: str = strawberry.field(description="The model, tool or workflow node that ran.")
    status: StepStatus = strawberry.field(description="Where it stands.")
    attempt: int = strawberry.field(description="1, and one more each time that it began again, as RunRewound tells.")
    input: JSON | None = strawberry.field(description="What it was given.")
    output: JSON | None = strawberry.field(description="What came of it.")
    failure: RunFailure | None = strawberry.field(description="Why it failed; null otherwise.")
    started_at: datetime = strawberry.field(description="When it began.")
    finished_at: datetime | None = strawberry.field(description="When it ended; null before.")


@strawberry.type(description="A durable execution of an agent. It goes on whether anybody watches or not.")
class Run(Node, prefix=IdPrefix.RUN, table=RunRow, made={"failure": RunFailure.of}):
    status: RunStatus = strawberry.field(description="Where it stands.")
    input: JSON = strawberry.field(description="An agent run's message, as a JSON string.")
    metadata: JSON | None = strawberry.field(description="What startRun was given.")
    output_text: str | None = strawberry.field(
        description="The final answer: the text of the last model call. Null until the run succeeds."
    )
    output: JSON | None = strawberry.field(description="The same parsed, when the agent has an output schema.")
    failure: RunFailure | None = strawberry.field(description="Why it failed, in one sentence; null otherwise.")
    created_at: datetime = strawberry.field(description="When it was queued.")
    started_at: datetime | None = strawberry.field(description="When an executor first took it; null before.")
    finished_at: datetime | None = strawberry.field(description="When it ended; null before.")
    row: strawberry.Private[RunRow]
    usage_then: strawberry.Private[UsageFigures | None] = None
    last_seq_then: strawberry.Private[int | None] = None

    @field("The agent that runs.")
    async def agent(self, info: Info) -> Agent | None:
        return Agent.of(await info.context.get(AgentRow, self.row.agent_id))

    @field("The version of the agent that runs.")
    async def agent_version(self, info: Info) -> AgentVersion | None:
        return AgentVersion.of(await info.context.get(AgentVersionRow, self.row.agent_version_id))

    @field("The conversation that it belongs to.")
    async def thread(self, info: Info) -> Thread | None:
        return Thread.of(await info.context.get(ThreadRow, self.row.thread_id))

    @field("Who started it, also after they have left the workspace; null where that was no user.")
    async def started_by(self, info: Info) -> Annotated["User", strawberry.lazy("schema.workspaces")] | None:
        row = await info.context.find(UserRow, self.row.started_by_id)
        return node_of(row) if row else None

    @field("The API key that started it; null for others than owners and admins, and where a person did.")
    async def started_by_key(self, info: Info) -> ApiKey | None:
        row = await api_keys.find(info.context, self.row.api_key_id) if self.row.api_key_id else None
        return ApiKey.of(row) if row else None

    @field("Whose it is, if the conversation was begun on a page of the workspace; null otherwise.")
    async def end_user(self, info: Info) -> EndUser | None:
        row = await info.context.find(EndUserRow, self.row.end_user_id) if self.row.end_user_id else None
        return EndUser.of(row) if row else None

    @field("What it has used so far.")
    async def usage(self, info: Info) -> RunUsage:
        usage = self.usage_then or await info.context.batch(runs.usage_by_run, self.key)
        return RunUsage.of(usage or UsageFigures())

    @field("Its steps, in the order in which they started.")
    async def steps(self, info: Info, first: First = 50, after: After = None) -> Connection[RunStep]:
        page = await runs.page_of_steps(info.context, self.key, first=first, after=after)
        return Connection.of(page, RunStep)

    @field("Sequence number of the newest event.")
    async def last_seq(self, info: Info) -> int:
        return self.last_seq_then or await info.context.batch(runs.last_seq_by_run, self.key) or 0

    @classmethod
    def then(cls, row: RunRow, usage: UsageFigures, last_seq: int) -> Self:
        """The run at the moment of an event, which knows its usage and its own number then."""
        run = cls.of(row)
        run.usage_then, run.last_seq_then = usage, last_seq
        return run


@strawberry.input(
    description="Without threadId a new thread is made. The same idempotencyKey gives the same run back, with "
    "replayed true."
)
class StartRunInput:
    agent_id: strawberry.ID = strawberry.field(description="The agent to run.")
    message: str = strawberry.field(description="What to say to it: 1 byte to 256 KB.")
    agent_version_id: strawberry.ID | None = strawberry.field(
        default=None, description="Runs a version that is not live."
    )
    thread_id: strawberry.ID | None = strawberry.field(default=None, description="The conversation to go on with.")
    if_busy: BusyPolicy = strawberry.field(
        default=BusyPolicy.QUEUE, description="What to do when the thread has a run that is not over."
    )
    metadata: JSON | None = strawberry.field(default=None, description="Kept with the run; at most 64 KB.")
    idempotency_key: str | None = strawberry.field(
        default=None, description="Sending the same again within 24 hours makes nothing new."
    )


@strawberry.type(description="The run is queued.")
class StartRunPayload:
    run: Run = strawberry.field(description="The run.")
    replayed: bool = strawberry.field(description="Whether an earlier request with the same key had started it.")


StartRunResult = Annotated[
    StartRunPayload
    | ValidationError
    | ForbiddenError
    | NotFoundError
    | ConflictError
    | BudgetExceededError
    | RateLimitedError,
    strawberry.union("StartRunResult", description="What came of startRun."),
]


@strawberry.input(description="Stops a run.")
class CancelRunInput:
    run_id: strawberry.ID = strawberry.field(description="The run.")


@strawberry.type(
    description="The run is CANCELLED; run.usage is what was spent until then. Cancelling it again gives the same."
)
class CancelRunPayload:
    run: Run = strawberry.field(description="The run.")
    provider_closed_at: datetime | None = strawberry.field(
        description="When the connection to the model provider was closed; null when none was open."
    )


CancelRunResult = Annotated[
    CancelRunPayload | ForbiddenError | NotFoundError | ConflictError,
    strawberry.union(
        "CancelRunResult", description="What came of cancelRun. A run that ended otherwise: ConflictError."
    ),
]


@strawberry.type
class RunQuery:
    @field("A run in one of the viewer's workspaces.")
    async def run(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The run's id.")]
    ) -> Run | None:
        return await Run.find_by_id(info, id)


@strawberry.type
class RunMutation:
    @mutation("Queue a run of an agent; it starts within milliseconds when an executor is free. Needs the role EDITOR.")
    async def start_run(self, info: Info, input: Input[StartRunInput]) -> StartRunResult:
        wanted = runs.StartRun(
            agent_id=input.agent_id,
            message=input.message,
            agent_version_id=input.agent_version_id,
            thread_id=input.thread_id,
            if_busy=input.if_busy,
            metadata=input.metadata,
            idempotency_key=input.idempotency_key,
        )
        started = await runs.start_run(info.context, wanted)
        # A new one is told as it is stored, however far it has come meanwhile: with its first event, and nothing spent.
        run = Run.of(started.run) if started.replayed else Run.then(started.run, UsageFigures(), last_seq=1)
        return StartRunPayload(run=run, replayed=started.replayed)

    @mutation("Stop a run, wherever it is executed. Needs the role EDITOR.")
    async def cancel_run(self, info: Info, input: Input[CancelRunInput]) -> CancelRunResult:
        row, closed_at = await runs.cancel_run(info.context, input.run_id)
        return CancelRunPayload(run=Run.of(row), provider_closed_at=closed_at)
