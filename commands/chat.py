"""`synapse chat`: talk to an agent. A client like any other: it knows the GraphQL API and nothing behind it."""

import asyncio
import sys
from argparse import Namespace
from getpass import getpass
from time import perf_counter
from typing import Any
from uuid import uuid4

from commands.accounts import Account, sign_in, sign_up
from commands.client import ConnectionLost, GraphQLClient
from commands.defaults import DEMO_EMAIL, DEMO_PASSWORD
from commands.terminal import CommandFailed, say
from commands.transcripts import Transcript, follow

START_RUN = """
mutation StartRun($input: StartRunInput!) {
  startRun(input: $input) {
    ... on StartRunPayload { run { id thread { id } } }
    ... on Error { code message }
  }
}
"""
CANCEL_RUN = """
mutation CancelRun($input: CancelRunInput!) {
  cancelRun(input: $input) {
    ... on CancelRunPayload { run { id } }
    ... on Error { code message }
  }
}
"""
PROMPT = "\nyou> "


class Conversation:
    """One thread with one agent, shown on the terminal."""

    def __init__(self, client: GraphQLClient, account: Account, agent_id: str) -> None:
        self._client = client
        self._account = account
        self._agent_id = agent_id
        self._thread_id: str | None = None

    async def ask(self, message: str) -> bool:
        """Sends a message and prints the answer as it arrives. True: the run succeeded, and its whole text is here.

        Interrupting it cancels the run, which would otherwise go on without us.
        """
        await self._account.stay_signed_in()
        started_at = perf_counter()
        request = {"agentId": self._agent_id, "threadId": self._thread_id, "message": message}
        run = (await self._client.mutate(START_RUN, request))["run"]
        self._thread_id = run["thread"]["id"]
        answer = _Answer(started_at)
        try:
            transcript = await follow(self._client, run["id"], answer.show)
        except asyncio.CancelledError:
            await self._client.mutate(CANCEL_RUN, {"runId": run["id"]})
            say("\n(cancelled)")
            raise
        except ConnectionLost as error:
            raise CommandFailed(f"The connection was lost, and the server did not come back: {error}.") from error
        return answer.summarise(transcript)


class _Answer:
    """An answer on its way to the terminal. ``started_at``: by `perf_counter`, when the run was asked for."""

    def __init__(self, started_at: float) -> None:
        self._started_at = started_at
        self._first_token_at: float | None = None
        self._step_id: str | None = None

    def show(self, event: dict[str, Any]) -> None:
        if event["__typename"] == "RunRewound":
            say("\n(its worker was lost; another one answers again)")
        elif event["__typename"] == "TextDelta":
            if self._first_token_at is None:
                self._first_token_at = perf_counter()
            elif self._step_id != event["stepId"]:
                say("\n")
            self._step_id = event["stepId"]
            say(event["text"], end="")

    def summarise(self, transcript: Transcript) -> bool:
        """Prints how the run ended, below its text."""
        if transcript.finished is None:
            raise CommandFailed("The stream ended before the run did.")
        run = transcript.finished["run"]
        usage = run["usage"]
        say(f"\n\n{run['status']}: {usage['inputTokens']} tokens in, {usage['outputTokens']} out", end="")
        if self._first_token_at is not None:
            waited, streamed = self._first_token_at - self._started_at, perf_counter() - self._first_token_at
            say(f"; first token after {1000 * waited:.0f} ms, all after {waited + streamed:.1f} s", end="")
        say(f"; text {'matches' if transcript.is_complete else 'DOES NOT MATCH'} its SHA-256")
        if run["failure"]:
            say(f"{run['failure']['code']}: {run['failure']['message']}")
        return run["status"] == "SUCCEEDED" and transcript.is_complete


async def open_account(client: GraphQLClient, arguments: Namespace) -> Account:
    """Signs up or in, as the arguments ask: by default as the account that `synapse dev` makes."""
    if arguments.sign_up:
        email = arguments.email or f"visitor-{uuid4().hex[:8]}@example.com"
        password = arguments.password or uuid4().hex
        account = await sign_up(client, email, password, name="Visitor", workspace_name="Chat")
        say(f"Signed up as {account.email}, in a workspace of its own.")
        return account
    if arguments.email is None:
        account = await sign_in(client, DEMO_EMAIL, DEMO_PASSWORD)
    else:
        account = await sign_in(client, arguments.email, arguments.password)
    say(f"Signed in as {account.email}, workspace {account.workspace_name}.")
    return account


async def open_conversation(client: GraphQLClient, arguments: Namespace) -> Conversation:
    account = await open_account(client, arguments)
    agent_id = await account.agent_named(f"Chat on {arguments.model}", arguments.model)
    say(f"Talking to an agent on {arguments.model}; the first run since the server started loads the model.")
    return Conversation(client, account, agent_id)


def run(arguments: Namespace) -> int:
    """One message, from the arguments or a pipe, or as many as are typed."""
    if arguments.email and arguments.password is None and not arguments.sign_up:
        arguments.password = getpass()
    message = arguments.message
    if message is None and not sys.stdin.isatty():
        message = sys.stdin.read()
    if message is not None:
        return 0 if asyncio.run(ask_once(arguments, message)) else 1
    with asyncio.Runner() as runner:
        return _converse(runner, arguments)


async def ask_once(arguments: Namespace, message: str) -> bool:
    async with GraphQLClient(arguments.url) as client:
        conversation = await open_conversation(client, arguments)
        say(f"{PROMPT}{message}\n")
        return await conversation.ask(message)


def _converse(runner: asyncio.Runner, arguments: Namespace) -> int:
    """Reads messages outside of the event loop, so that the terminal's line editing and Ctrl-C work as everywhere."""
    client = GraphQLClient(arguments.url)
    runner.run(client.__aenter__())
    try:
        conversation = runner.run(open_conversation(client, arguments))
        say("Ctrl-D ends the conversation.")
        while True:
            message = input(PROMPT)
            if message.strip():
                say()
                runner.run(conversation.ask(message))
    except EOFError:
        say()
        return 0
    finally:
        runner.run(client.__aexit__())
