"""A call of each mutation of the schema that does what it is for."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from graphql import build_schema

from core import ids
from core.ids import IdPrefix, new_id
from core.permissions import Role
from models.database import transaction
from models.users import User
from tests.accounts import PASSWORD, SIGN_IN, Member, new_account
from tests.client import Client, Json
from tests.e2e.colleagues import add_member
from tests.operations import INVITE_MEMBER, UPDATE_AGENT, answer, create_agent, start_run
from tests.servers.app import Server

SCHEMA = build_schema((Path(__file__).parents[2] / "schema.graphql").read_text())
MODEL = "local/smollm2-135m"


@dataclass(frozen=True, slots=True)
class Stage:
    """A workspace, its owner, and somebody who is not in it."""

    server: Server
    owner: Member
    guest: Member

    @property
    def workspace(self) -> Json:
        return {"workspaceId": self.owner.workspace_id}

    async def session(self) -> Json:
        """A new session of the owner."""
        input = {"email": self.owner.email, "password": PASSWORD}
        session: Json = (await self.owner.client.execute(SIGN_IN, input=input))["signIn"]
        return session

    async def invitation(self) -> str:
        """The token of an invitation of the guest."""
        invited = await answer(
            self.owner.client, INVITE_MEMBER, **self.workspace, email=self.guest.email, role=Role.EDITOR
        )
        token: str = invited["token"]
        return token

    async def open_invitation(self) -> Json:
        invited = await answer(
            self.owner.client, INVITE_MEMBER, **self.workspace, email=f"{new_id()}@example.com", role=Role.EDITOR
        )
        return {"invitationId": invited["invitationId"]}

    async def member(self) -> Json:
        """Somebody new in the workspace."""
        user_id = new_id()
        async with transaction(user_id=user_id):
            await User.create(id=user_id, email=f"{user_id}@example.com", name="Bo", password_hash="-")
        someone = ids.encode(IdPrefix.USER, user_id)
        return {"membershipId": await add_member(self.owner.workspace_id, someone, Role.EDITOR)}

    async def agent(self) -> Json:
        return {"agentId": (await create_agent(self.owner, MODEL))["id"]}

    async def version(self) -> Json:
        """A version that is not live."""
        changed = await answer(
            self.owner.client, UPDATE_AGENT, **await self.agent(), config={"model": MODEL}, publish=False
        )
        return {"agentVersionId": changed["version"]["id"]}

    async def run(self) -> Json:
        return {"runId": (await start_run(self.owner, await create_agent(self.owner, MODEL)))["id"]}

    async def credential(self) -> Json:
        return {**self.workspace, "provider": "OPENAI", "name": "example", "apiKey": "sk-example-4711"}


@dataclass(frozen=True, slots=True)
class Call:
    """A mutation to be sent by ``client``; ``input`` is None where it takes none."""

    client: Client
    input: Json | None


Example = Callable[[Stage], Awaitable[Call]]


def by_owner(make: Callable[[Stage], Awaitable[Json]], **more: object) -> Example:
    async def call(stage: Stage) -> Call:
        return Call(stage.owner.client, {**await make(stage), **more})

    return call


async def _nothing(stage: Stage) -> Json:
    return {}


async def _workspace(stage: Stage) -> Json:
    return stage.workspace


async def _sign_up(stage: Stage) -> Call:
    return Call(stage.server.client(), dict(new_account()))


async def _sign_in(stage: Stage) -> Call:
    return Call(stage.server.client(), {"email": stage.owner.email, "password": PASSWORD})


async def _refresh_session(stage: Stage) -> Call:
    return Call(stage.server.client(), {"refreshToken": (await stage.session())["refreshToken"]})


async def _sign_out(stage: Stage) -> Call:
    return Call(stage.server.client((await stage.session())["accessToken"]), None)


async def _accept_invitation(stage: Stage) -> Call:
    return Call(stage.guest.client, {"token": await stage.invitation()})


EXAMPLES: dict[str, Example] = {
    "signUp": _sign_up,
    "signIn": _sign_in,
    "refreshSession": _refresh_session,
    "signOut": _sign_out,
    "createWorkspace": by_owner(_nothing, name="Example"),
    "inviteMember": by_owner(_workspace, email="invited@example.com", role=Role.VIEWER),
    "revokeInvitation": by_owner(Stage.open_invitation),
    "acceptInvitation": _accept_invitation,
    "changeMemberRole": by_owner(Stage.member, role=Role.VIEWER),
    "removeMember": by_owner(Stage.member),
    "transferOwnership": by_owner(Stage.member),
    "setProviderCredential": by_owner(Stage.credential),
    "createAgent": by_owner(_workspace, name="Example", config={"model": MODEL}),
    "updateAgent": by_owner(Stage.agent, name="Renamed", config={"model": MODEL, "instructions": "Be brief."}),
    "publishAgentVersion": by_owner(Stage.version),
    "archiveAgent": by_owner(Stage.agent),
    "startRun": by_owner(Stage.agent, message="Hello"),
    "cancelRun": by_owner(Stage.run),
}


def mutations() -> list[str]:
    """All of the schema."""
    assert SCHEMA.mutation_type is not None
    return list(SCHEMA.mutation_type.fields)


async def send(client: Client, mutation: str, input: Json | None) -> Json:
    """The result of a mutation: its type and, of an error, what it says."""
    assert SCHEMA.mutation_type is not None
    wanted = "{ __typename ... on Error { code message path } }"
    if input is None:
        operation, variables = f"mutation {{ {mutation} {wanted} }}", {}
    else:
        type_name = SCHEMA.mutation_type.fields[mutation].args["input"].type
        operation = f"mutation ($input: {type_name}) {{ {mutation}(input: $input) {wanted} }}"
        variables = {"input": input}
    result: Json = (await client.execute(operation, **variables))[mutation]
    return result
