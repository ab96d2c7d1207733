"""From signing up to reading what it cost: ``python -m synapse_client.example --url http://127.0.0.1:8000``."""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from synapse_client.client import SynapseClient
from synapse_client.errors import payload
from synapse_client.generated import (
    AgentConfigInput,
    CreateAgentCreateAgentCreateAgentPayload,
    CreateAgentInput,
    CreateWorkspaceCreateWorkspaceCreateWorkspacePayload,
    CreateWorkspaceInput,
    RunStatus,
    RunsWorkspaceRunsNodes,
    SignUpInput,
    StartRunInput,
    StartRunStartRunStartRunPayload,
)
from synapse_client.generated.fragments import Session as Tokens
from synapse_client.runs import RunFinished, RunRewound, TextDelta, follow_run
from synapse_client.transcript import Transcript


async def sign_up(client: SynapseClient) -> None:
    email = f"{uuid4()}@example.com"
    request = SignUpInput(email=email, password=str(uuid4()), name="Ada", workspace_name="Ada's")
    client.session.tokens = payload(await client.sign_up(request), Tokens)


async def create_workspace(client: SynapseClient) -> str:
    request = CreateWorkspaceInput(name="Example", idempotency_key=str(uuid4()))
    result = await client.create_workspace(request)
    return payload(result, CreateWorkspaceCreateWorkspaceCreateWorkspacePayload).workspace.id


async def create_agent(client: SynapseClient, workspace_id: str, model: str) -> str:
    config = AgentConfigInput(model=model, instructions="Answer in one sentence.", max_output_tokens=100)
    request = CreateAgentInput(workspace_id=workspace_id, name="Assistant", config=config, idempotency_key=str(uuid4()))
    return payload(await client.create_agent(request), CreateAgentCreateAgentCreateAgentPayload).agent.id


async def start_run(client: SynapseClient, agent_id: str, message: str) -> str:
    request = StartRunInput(agent_id=agent_id, message=message, idempotency_key=str(uuid4()))
    return payload(await client.start_run(request), StartRunStartRunStartRunPayload).run.id


async def watch(client: SynapseClient, run_id: str) -> bool:
    """Prints a run as it happens, and returns whether it succeeded."""
    transcript, succeeded = Transcript(), False
    async for event in follow_run(client, run_id):
        transcript.take(event)
        match event:
            case TextDelta(text=text):
                print(text, end="", flush=True)
            case RunRewound():
                print("\n(begun again)")
            case RunFinished(run=run, text_sha_256=text_sha256):
                print(f"\n\n{run.status.value} after {event.seq} events")
                if run.failure:
                    print(run.failure.message)
                print(f"The text {'matches' if transcript.matches(text_sha256) else 'DOES NOT MATCH'} its SHA-256.")
                succeeded = run.status is RunStatus.SUCCEEDED
    return succeeded


async def list_runs(client: SynapseClient, workspace_id: str) -> AsyncIterator[RunsWorkspaceRunsNodes]:
    """All runs of a workspace, newest first, page by page."""
    after = None
    while True:
        workspace = await client.runs(workspace_id, first=100, after=after)
        if workspace is None:
            return
        for run in workspace.runs.nodes:
            yield run
        if not workspace.runs.page_info.has_next_page:
            return
        after = workspace.runs.page_info.end_cursor


async def print_usage(client: SynapseClient, workspace_id: str) -> None:
    now, hour = datetime.now(UTC), timedelta(hours=1)
    workspace = await client.usage(workspace_id, now - hour, now + hour)
    assert workspace is not None
    totals = workspace.usage.totals
    print(f"Usage: {totals.input_tokens} tokens in, {totals.output_tokens} out, {totals.cost_usd} US dollars")
    for group in workspace.usage.groups:
        print(f"  {group.label}: {group.totals.llm_calls} calls, {group.totals.cost_usd} US dollars")


async def main(arguments: argparse.Namespace) -> bool:
    async with SynapseClient(arguments.url) as client:
        await sign_up(client)
        workspace_id = await create_workspace(client)
        agent_id = await create_agent(client, workspace_id, arguments.model)
        run_id = await start_run(client, agent_id, arguments.message)
        succeeded = await watch(client, run_id)
        async for run in list_runs(client, workspace_id):
            print(run.created_at.isoformat(), run.id, run.status.value)
        await print_usage(client, workspace_id)
    return succeeded


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--model", default="local/smollm2-135m")
    parser.add_argument("--message", default="What is a synapse?")
    sys.exit(0 if asyncio.run(main(parser.parse_args())) else 1)
