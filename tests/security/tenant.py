"""A tenant with something of everything in it, and one marker in every text."""

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

from core import ids
from core.events import (
    LoggedEvent,
    ReasoningDelta,
    RunEventBody,
    RunFinished,
    RunRewound,
    StepFinished,
    StepStarted,
    TextDelta,
    ToolCalled,
)
from core.ids import IdPrefix, new_id
from models import snapshots
from models.database import transaction
from models.llm_calls import LlmCall, LlmCallStatus, RunUsage
from models.run_steps import RunStep, StepKind, StepStatus
from models.runs import Run, RunStatus
from models.threads import Message, MessageRole
from tests.accounts import Member, sign_up
from tests.client import Json
from tests.e2e.examples import EXAMPLES, Stage
from tests.operations import (
    ARCHIVE_AGENT,
    CREATE_AGENT,
    INVITE_MEMBER,
    SET_PROVIDER_CREDENTIAL,
    START_RUN,
    answer,
)
from tests.servers.app import Server
from tests.streaming.runs import insert_events


@dataclass(frozen=True, slots=True)
class Tenant:
    """A workspace, its owner, and what stands in all of its texts.

    ``inputs``: for each mutation, an input that would do in this tenant what the mutation is for, with everything
    given that can be given; and with idempotency keys that were used before.
    """

    marker: str
    owner: Member
    run_id: str
    inputs: dict[str, Json]

    @property
    def workspace_id(self) -> str:
        return self.owner.workspace_id


async def make_tenant(server: Server, name: str) -> Tenant:
    """Somebody new whose workspace has rows in every table."""
    marker = f"{name}{new_id().hex[-12:]}"
    owner = await sign_up(server, email=f"{marker}@example.com", name=f"Owner {marker}", workspaceName=f"Lab {marker}")
    workspace = {"workspaceId": owner.workspace_id}
    config = {
        "model": f"openai_compatible:{marker}/{marker}",
        "fallbackModels": [f"openai_compatible/{marker}"],
        "instructions": f"Think of {marker}.",
        "outputSchema": {"type": "object", "description": marker},
    }
    agent = {
        **workspace,
        "name": f"Agent {marker}",
        "description": f"For {marker}",
        "config": config,
        "idempotencyKey": f"agent {marker}",
    }
    made = (await answer(owner.client, CREATE_AGENT, **agent))["agent"]
    credential = {
        **workspace,
        "provider": "OPENAI_COMPATIBLE",
        "name": marker,
        "apiKey": f"sk-{marker}",
        "baseUrl": f"https://{marker}.example.com/v1",
    }
    # The second one makes models available that are in the catalogue.
    for set_up in (credential, {**workspace, "provider": "OPENAI", "apiKey": f"sk-{marker}"}):
        await answer(owner.client, SET_PROVIDER_CREDENTIAL, **set_up)
    invitation = {**workspace, "email": f"guest-{marker}@example.com", "role": "VIEWER"}
    await answer(owner.client, INVITE_MEMBER, **invitation)
    run = await _start(owner, made, marker)
    start = {
        **_start_input(made, marker),
        "threadId": run["thread"]["id"],
        "agentVersionId": made["liveVersion"]["id"],
        "idempotencyKey": f"again {marker}",
    }
    await answer(owner.client, START_RUN, **start)
    await _finish(ids.decode(IdPrefix.RUN, run["id"]), ids.decode(IdPrefix.WORKSPACE, owner.workspace_id), marker)
    archived = (await answer(owner.client, CREATE_AGENT, **{**agent, "idempotencyKey": None}))["agent"]
    await answer(owner.client, ARCHIVE_AGENT, agentId=archived["id"])
    examples = await _examples(server, owner)
    inputs = {**examples, "createAgent": agent, "setProviderCredential": credential, "startRun": start}
    return Tenant(marker, owner, run["id"], {**inputs, "inviteMember": invitation})


async def _examples(server: Server, owner: Member) -> dict[str, Json]:
    """An input of each mutation that names something of the owner's workspace."""
    stage = Stage(server, owner, guest=owner)
    named = [name for name in EXAMPLES if name not in UNNAMED]
    calls = {name: await EXAMPLES[name](stage) for name in named}
    return {name: call.input for name, call in calls.items() if call.input is not None}


# Mutations that take no id: they concern the caller, or what the caller can prove to know.
UNNAMED = ("signUp", "signIn", "refreshSession", "signOut", "createWorkspace", "acceptInvitation")


def _start_input(agent: Json, marker: str) -> Json:
    return {"agentId": agent["id"], "message": f"Tell me of {marker}", "metadata": {"about": marker}}


async def _start(owner: Member, agent: Json, marker: str) -> Json:
    started: Json = (await answer(owner.client, START_RUN, **_start_input(agent, marker)))["run"]
    return started


async def _finish(run_id: UUID, workspace_id: UUID, marker: str) -> None:
    """Writes what an executor would: steps, a call, an answer, and an event of every type."""
    async with transaction([workspace_id]) as connection:
        run = await Run.get(id=run_id)
        now = datetime.now(UTC)
        run.update_from_dict(
            {
                "status": RunStatus.FAILED,
                "output_text": f"All of {marker}",
                "output": {"of": marker},
                "failure_code": "PROVIDER_FAILED",
                "failure_message": f"{marker} failed",
                "failure_retryable": False,
                "started_at": now,
                "finished_at": now,
            }
        )
        await run.save()
        step = await RunStep.create(
            workspace_id=workspace_id,
            run_id=run_id,
            position=1,
            kind=StepKind.MODEL,
            name=f"openai_compatible/{marker}",
            status=StepStatus.FAILED,
            input={"of": marker},
            output={"of": marker},
            failure_code="PROVIDER_FAILED",
            failure_message=f"{marker} failed",
            failure_retryable=False,
            started_at=now,
            finished_at=now,
        )
        await LlmCall.create(
            workspace_id=workspace_id,
            run_id=run_id,
            step_id=step.id,
            agent_id=run.agent_id,
            provider="openai_compatible",
            model=f"openai_compatible/{marker}",
            status=LlmCallStatus.FAILED,
            failure_code="PROVIDER_FAILED",
            failure_message=f"{marker} failed",
            started_at=now,
            cost_usd=1,
            input_tokens=1,
        )
        await Message.create(
            workspace_id=workspace_id,
            thread_id=run.thread_id,
            run_id=run_id,
            position=1,
            role=MessageRole.ASSISTANT,
            text=f"All of {marker}",
            partial=False,
        )
        said = f"All of {marker}"
        bodies: list[RunEventBody] = [
            StepStarted(snapshots.of_step(step)),
            TextDelta(marker),
            ReasoningDelta(marker),
            ToolCalled(marker, marker, {"of": marker}),
            RunRewound(2, 2),
            TextDelta(said),
            StepFinished(snapshots.of_step(step)),
            RunFinished(snapshots.of_run(run, RunUsage()), sha256(said.encode()).hexdigest()),
        ]
        events = [LoggedEvent(run_id, seq, seq, now, step.id, body) for seq, body in enumerate(bodies, 2)]
        await insert_events(connection, workspace_id, events)
