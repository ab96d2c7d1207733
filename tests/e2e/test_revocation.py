"""Whoever loses rights loses what is live by them, at once and at every process: here at two, and without Redis."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from websockets.exceptions import ConnectionClosed

from core.errors import Forbidden
from core.ids import IdPrefix, decode
from core.permissions import Role
from core.principals import Credentials
from models.database import open_connection
from resolvers.context import Context, Runtime
from services import principals
from tests.accounts import SIGN_OUT, Member, sign_up, with_new_workspace
from tests.client import Json, OperationFailed, Socket
from tests.e2e.api_keys import make_key
from tests.e2e.colleagues import add_member
from tests.event_streams import MULTIPART, SSE, EventStream, stream
from tests.operations import (
    ACCEPT_INVITATION,
    CANCEL_RUN,
    CHANGE_MEMBER_ROLE,
    INVITE_MEMBER,
    REMOVE_MEMBER,
    REVOKE_API_KEY,
    RUN_EVENTS,
    answer,
    create_agent,
    event_of,
    start_run,
)
from tests.servers.app import Address, Server
from tests.servers.postgres import create_database, drop_database
from tests.servers.process import serve_in_process
from tests.servers.redis import RedisServer
from tests.upstream.server import Upstream

MODEL = "local/smollm2-135m"
# A second is promised. Nothing but the notification would end a stream, so machines with no time are given more.
PATIENCE_S = 10.0
RIGHTS_LOST = "You have fewer rights in this workspace now. Subscribe again to go on, if you still may."
END_SESSION = "UPDATE refresh_tokens SET revoked_at = now() WHERE user_id = $1"
END_LISTENING = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = 'synapse-dedicated' AND datname = current_database() AND pid <> pg_backend_pid()
"""

Live = Socket | EventStream
Servers = tuple[Address, Address]


@pytest.fixture(scope="module")
async def servers(worker_id: str, upstream: Upstream) -> AsyncIterator[Servers]:
    """Two processes on one database, whose Redis has died."""
    name = f"revocation_{worker_id}"
    url = await create_database(name)
    with RedisServer() as redis:
        async with (
            serve_in_process(url, upstream, "--no-executor", REDIS_URL=redis.url) as first,
            serve_in_process(url, upstream, "--no-executor", REDIS_URL=redis.url) as second,
        ):
            redis.kill()
            yield first, second
    await drop_database(name)


@dataclass(frozen=True, slots=True)
class Scene:
    """A workspace with a run that waits, its owner, and a member who is at home elsewhere, with a run there too."""

    owner: Member
    member: Member
    membership_id: str
    run: Json
    run_at_home: Json


@pytest.fixture(scope="module")
async def people(servers: Servers) -> tuple[Member, Member]:
    return await sign_up(servers[0]), await sign_up(servers[0])


@pytest.fixture
async def scene(people: tuple[Member, Member]) -> Scene:
    owner, member = await with_new_workspace(people[0]), people[1]
    invitation = {"workspaceId": owner.workspace_id, "email": member.email, "role": "EDITOR"}
    token = (await answer(owner.client, INVITE_MEMBER, **invitation))["token"]
    joined = await answer(member.client, ACCEPT_INVITATION, token=token)
    run = await start_run(owner, await create_agent(owner, MODEL))
    at_home = await start_run(member, await create_agent(member, MODEL))
    return Scene(owner, member, joined["membership"]["id"], run, at_home)


@asynccontextmanager
async def watching(servers: Servers, token: str, run: Json) -> AsyncIterator[list[Live]]:
    """The run, watched over each transport at each server."""
    async with AsyncExitStack() as stack:
        live: list[Live] = []
        for server in servers:
            client = server.client(token)
            socket = await stack.enter_async_context(client.connect())
            await socket.subscribe(RUN_EVENTS, runId=run["id"])
            live.append(socket)
            for accept in (SSE, MULTIPART):
                live.append(await stack.enter_async_context(stream(client, accept, RUN_EVENTS, runId=run["id"])))
        for each in live:
            assert event_of(await next_result(each))["__typename"] == "RunStarted"
        yield live


async def next_result(live: Live) -> Json:
    if isinstance(live, EventStream):
        return await live.result()
    message = await live.receive()
    if message["type"] == "error":
        raise OperationFailed(message["payload"])
    payload: Json = message["payload"]
    return payload


async def ending(live: Live) -> tuple[str, str]:
    """The code and the message of the error with which the subscription ends next."""
    async with asyncio.timeout(PATIENCE_S):
        try:
            result = await next_result(live)
        except OperationFailed as failed:
            result = {"errors": failed.errors}
        [error] = result["errors"]
        if isinstance(live, EventStream):
            assert [more async for more in live.results()] == []
            assert live.completed
    return error["extensions"]["code"], error["message"]


async def end_at_home(scene: Scene, bystanders: list[Live]) -> None:
    """Shows that they are live: the run that they watch ends, and they are told."""
    await answer(scene.member.client, CANCEL_RUN, runId=scene.run_at_home["id"])
    async with asyncio.timeout(PATIENCE_S):
        for bystander in bystanders:
            assert event_of(await next_result(bystander))["__typename"] == "RunFinished"


@pytest.mark.parametrize("loss", ["removed", "demoted", "left"])
async def test_whoever_loses_rights_in_a_workspace_loses_what_is_live_there_and_nothing_else(
    servers: Servers, scene: Scene, loss: str
) -> None:
    token = scene.member.access_token
    async with (
        watching(servers, token, scene.run) as live,
        watching(servers, token, scene.run_at_home) as bystanders,
    ):
        if loss == "demoted":
            await answer(scene.owner.client, CHANGE_MEMBER_ROLE, membershipId=scene.membership_id, role="VIEWER")
        else:
            actor = scene.owner if loss == "removed" else scene.member
            await answer(actor.client, REMOVE_MEMBER, membershipId=scene.membership_id)
        assert {await ending(each) for each in live} == {("FORBIDDEN", RIGHTS_LOST)}
        sockets = [each for each in live if isinstance(each, Socket)]
        for socket in sockets:
            await socket.subscribe(RUN_EVENTS, runId=scene.run["id"])
            again = await next_result(socket)
            if loss == "demoted":
                assert event_of(again)["__typename"] == "RunStarted", "who may still look goes on"
            else:
                assert again["errors"][0]["extensions"]["code"] == "NOT_FOUND"
        await end_at_home(scene, bystanders)


async def test_a_better_role_disturbs_nobody(servers: Servers, scene: Scene) -> None:
    async with watching(servers, scene.member.access_token, scene.run) as live:
        await answer(scene.owner.client, CHANGE_MEMBER_ROLE, membershipId=scene.membership_id, role="ADMIN")
        await answer(scene.owner.client, CANCEL_RUN, runId=scene.run["id"])
        async with asyncio.timeout(PATIENCE_S):
            for each in live:
                assert event_of(await next_result(each))["__typename"] == "RunFinished"


async def test_a_revoked_key_is_cut_off_and_nobody_else(servers: Servers, scene: Scene) -> None:
    at_home = replace(scene.owner, client=scene.member.client, workspace_id=scene.member.workspace_id)
    keys = [await make_key(at_home, "READ") for _ in range(2)]
    async with (
        watching(servers, keys[0]["secret"], scene.run_at_home) as live,
        watching(servers, keys[1]["secret"], scene.run_at_home) as bystanders,
    ):
        await answer(scene.member.client, REVOKE_API_KEY, apiKeyId=keys[0]["apiKey"]["id"])
        assert {await ending(each) for each in live} == {("UNAUTHENTICATED", "The API key was revoked.")}
        for socket in live:
            if isinstance(socket, Socket):
                assert await socket.closed() == (4403, "The API key was revoked.")
        await end_at_home(scene, bystanders)


async def test_a_key_is_cut_off_when_it_expires(servers: Servers, scene: Scene) -> None:
    owner = scene.owner
    expires_at = datetime.now(UTC) + timedelta(seconds=3)
    key = await make_key(owner, "READ", expiresAt=expires_at.isoformat())
    async with watching(servers, key["secret"], scene.run) as live:
        assert {await ending(each) for each in live} == {("UNAUTHENTICATED", "The API key has expired.")}
        assert datetime.now(UTC) >= expires_at


async def test_signing_out_cuts_the_session_off_everywhere(servers: Servers) -> None:
    member = await sign_up(servers[0])
    run = await start_run(member, await create_agent(member, MODEL))
    async with watching(servers, member.access_token, run) as live:
        await member.client.execute(SIGN_OUT)
        assert {await ending(each) for each in live} == {("UNAUTHENTICATED", "The session has ended.")}
        for socket in live:
            if isinstance(socket, Socket):
                assert await socket.closed() == (4403, "The session has ended.")


async def test_rights_that_are_lost_while_a_subscription_begins_are_noticed(server: Server) -> None:
    owner, member = await sign_up(server), await sign_up(server)
    membership_id = await add_member(owner.workspace_id, member.user_id, Role.EDITOR)
    runtime: Runtime = server.app.state.runtime
    principal = await principals.authenticate(runtime.keys, Credentials(member.access_token))
    workspace_id = decode(IdPrefix.WORKSPACE, owner.workspace_id)
    context = Context(runtime, principal)
    await context.watch(workspace_id)
    await answer(owner.client, REMOVE_MEMBER, membershipId=membership_id)
    with pytest.raises(Forbidden):
        await context.watch(workspace_id)


async def test_what_was_told_while_a_process_could_not_listen_is_noticed_when_it_can(
    server: Server, database_url: str
) -> None:
    member = await sign_up(server)
    connection = await open_connection(database_url)
    async with member.client.connect() as socket:
        # Nobody is told of this.
        await connection.execute(END_SESSION, decode(IdPrefix.USER, member.user_id))
        assert await connection.fetch(END_LISTENING)
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(ConnectionClosed):
                await socket.receive()
        assert await socket.closed() == (4403, "The session has ended.")
    await connection.close()
