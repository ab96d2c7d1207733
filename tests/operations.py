"""What tests do most with agents and runs, over the API."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any
from uuid import uuid4

from tests.accounts import Member
from tests.client import Client, Json

ECHO = "scripted/echo"

VERSION = """
id number model fallbackModels instructions temperature maxOutputTokens maxSteps
tools { name requiresApproval } outputSchema createdAt
"""
AGENT = f"id name description createdAt updatedAt archivedAt liveVersion {{ {VERSION} }}"
USAGE = "inputTokens outputTokens cachedTokens costUsd llmCalls"
FAILURE = "code message retryable"
STEP = f"id kind name status attempt input output failure {{ {FAILURE} }} startedAt finishedAt"
RUN = f"""
id status input metadata outputText output failure {{ {FAILURE} }} usage {{ {USAGE} }} lastSeq
createdAt startedAt finishedAt agent {{ id name }} agentVersion {{ id number }} thread {{ id title }}
steps {{ totalCount nodes {{ {STEP} }} }}
"""
ERROR = "... on Error { code message path }"
CREATE_AGENT = f"""mutation ($input: CreateAgentInput!) {{
  createAgent(input: $input) {{ __typename ... on CreateAgentPayload {{ agent {{ {AGENT} }} }} {ERROR} }}
}}"""
UPDATE_AGENT = f"""mutation ($input: UpdateAgentInput!) {{
  updateAgent(input: $input) {{
    __typename ... on UpdateAgentPayload {{ agent {{ {AGENT} }} version {{ {VERSION} }} }} {ERROR}
  }}
}}"""
PUBLISH_VERSION = f"""mutation ($input: PublishAgentVersionInput!) {{
  publishAgentVersion(input: $input) {{
    __typename ... on PublishAgentVersionPayload {{ agent {{ {AGENT} }} }} {ERROR}
  }}
}}"""
ARCHIVE_AGENT = f"""mutation ($input: ArchiveAgentInput!) {{
  archiveAgent(input: $input) {{ __typename ... on ArchiveAgentPayload {{ agent {{ {AGENT} }} }} {ERROR} }}
}}"""
START_RUN = f"""mutation ($input: StartRunInput!) {{
  startRun(input: $input) {{ __typename ... on StartRunPayload {{ replayed run {{ {RUN} }} }} {ERROR} }}
}}"""
CANCEL_RUN = f"""mutation ($input: CancelRunInput!) {{
  cancelRun(input: $input) {{
    __typename ... on CancelRunPayload {{ providerClosedAt run {{ {RUN} }} }} {ERROR}
  }}
}}"""
SET_PROVIDER_CREDENTIAL = f"""mutation ($input: SetProviderCredentialInput!) {{
  setProviderCredential(input: $input) {{
    __typename
    ... on SetProviderCredentialPayload {{ credential {{ id provider name baseUrl keyHint createdAt }} }}
    {ERROR}
  }}
}}"""
MEMBERSHIP = "id role user { id name } workspace { id name }"
INVITE_MEMBER = f"""mutation ($input: InviteMemberInput!) {{
  inviteMember(input: $input) {{ __typename ... on InviteMemberPayload {{ invitationId token expiresAt }} {ERROR} }}
}}"""
REVOKE_INVITATION = f"""mutation ($input: RevokeInvitationInput!) {{
  revokeInvitation(input: $input) {{ __typename ... on RevokeInvitationPayload {{ invitationId }} {ERROR} }}
}}"""
ACCEPT_INVITATION = f"""mutation ($input: AcceptInvitationInput!) {{
  acceptInvitation(input: $input) {{
    __typename ... on AcceptInvitationPayload {{ membership {{ {MEMBERSHIP} }} }} {ERROR}
  }}
}}"""
CHANGE_MEMBER_ROLE = f"""mutation ($input: ChangeMemberRoleInput!) {{
  changeMemberRole(input: $input) {{
    __typename ... on ChangeMemberRolePayload {{ membership {{ {MEMBERSHIP} }} }} {ERROR}
  }}
}}"""
REMOVE_MEMBER = f"""mutation ($input: RemoveMemberInput!) {{
  removeMember(input: $input) {{ __typename ... on RemoveMemberPayload {{ membershipId }} {ERROR} }}
}}"""
TRANSFER_OWNERSHIP = f"""mutation ($input: TransferOwnershipInput!) {{
  transferOwnership(input: $input) {{
    __typename
    ... on TransferOwnershipPayload {{ membership {{ {MEMBERSHIP} }} ownMembership {{ {MEMBERSHIP} }} }}
    {ERROR}
  }}
}}"""
GET_RUN = f"query ($id: ID!) {{ run(id: $id) {{ {RUN} }} }}"
RUN_EVENTS = f"""subscription ($runId: ID!, $after: Int! = 0, $delivery: DeliveryInput) {{
  runEvents(runId: $runId, after: $after, delivery: $delivery) {{
    __typename seq at
    ... on RunStarted {{ run {{ {RUN} }} }}
    ... on TextDelta {{ firstSeq stepId text }}
    ... on ReasoningDelta {{ firstSeq stepId text }}
    ... on ToolCalled {{ stepId callId name arguments }}
    ... on StepStarted {{ step {{ {STEP} }} }}
    ... on StepFinished {{ step {{ {STEP} }} }}
    ... on RunRewound {{ stepId toSeq attempt }}
    ... on RunFinished {{ textSha256 run {{ {RUN} }} }}
  }}
}}"""


async def answer(client: Client, mutation: str, /, **input: Any) -> Json:
    """The result of a mutation with one root field: a member of its union."""
    [result] = (await client.execute(mutation, input=input)).values()
    found: Json = result
    return found


async def create_agent(member: Member, model: str = ECHO, **config: Any) -> Json:
    """A new agent in the member's workspace; ``config`` are fields of AgentConfigInput."""
    result = await answer(
        member.client, CREATE_AGENT, workspaceId=member.workspace_id, name="Greeter", config={"model": model} | config
    )
    agent: Json = result["agent"]
    return agent


async def start_run(member: Member, agent: Json, message: str = "Hello", **input: Any) -> Json:
    """A new run of ``agent``; ``input`` are fields of StartRunInput."""
    result = await answer(member.client, START_RUN, agentId=agent["id"], message=message, **input)
    run: Json = result["run"]
    return run


async def get_run(member: Member, run: Json) -> Json:
    """The run as it is now."""
    found: Json = (await member.client.execute(GET_RUN, id=run["id"]))["run"]
    return found


async def watch(client: Client, run: Json, after: int = 0, **variables: Any) -> list[Json]:
    """The run's events after number ``after``, from a socket of its own."""
    async with client.connect() as socket:
        payloads = [payload async for payload in socket.stream(RUN_EVENTS, runId=run["id"], after=after, **variables)]
    return [event_of(payload) for payload in payloads]


def event_of(payload: Json) -> Json:
    """The event in a result of runEvents that has no errors."""
    assert "errors" not in payload, payload["errors"]
    event: Json = payload["data"]["runEvents"]
    return event


async def finish(member: Member, run: Json) -> Json:
    """The run as it is once it is over."""
    await watch(member.client, run)
    return await get_run(member, run)


async def complete_run(member: Member, agent: Json, message: str = "Hello", **input: Any) -> Json:
    """A run of ``agent`` that is over."""
    return await finish(member, await start_run(member, agent, message, **input))


def text_of(events: Sequence[Json]) -> str:
    """All that the model said in these events, but for what was withdrawn."""
    said: list[Json] = []
    for event in events:
        if event["__typename"] == "TextDelta":
            said.append(event)
        elif event["__typename"] == "RunRewound":
            said = [delta for delta in said if delta["stepId"] != event["stepId"] or delta["seq"] <= event["toSeq"]]
    return "".join(delta["text"] for delta in said)


def sha256_of(events: Sequence[Json]) -> str:
    return sha256(text_of(events).encode()).hexdigest()


def assert_dense(events: Sequence[Json], after: int = 0) -> None:
    """Each event begins right where the one before it ended, the first one right after ``after``."""
    for event in events:
        assert event.get("firstSeq", event["seq"]) == after + 1
        after = event["seq"]


def unknown_id(id: str) -> str:
    """An id of the same type that names nothing."""
    prefix = id.partition("_")[0]
    return f"{prefix}_01jdq2p0a0e5d8d3m4n5p6q7r8"


def new_key() -> str:
    """A fresh idempotency key."""
    return uuid4().hex
