"""People for tests: each signs up over the API, with a workspace of their own."""

from dataclasses import dataclass, replace
from uuid import uuid4

from tests.client import Client, Json
from tests.servers.app import Address

PASSWORD = "correct horse battery"
SESSION = """
__typename
... on Error { code message path }
... on SessionPayload {
  accessToken refreshToken expiresAt
  viewer { id email name memberships { id role workspace { id name slug } } }
}
"""
SIGN_UP = f"mutation ($input: SignUpInput!) {{ signUp(input: $input) {{ {SESSION} }} }}"
SIGN_IN = f"mutation ($input: SignInInput!) {{ signIn(input: $input) {{ {SESSION} }} }}"
REFRESH = f"mutation ($input: RefreshSessionInput!) {{ refreshSession(input: $input) {{ {SESSION} }} }}"
SIGN_OUT = "mutation { signOut { __typename ... on SignOutPayload { userId } } }"


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody who is signed in, the owner of ``workspace_id``."""

    client: Client
    user_id: str
    email: str
    workspace_id: str
    access_token: str
    refresh_token: str


def new_account(**changes: str) -> dict[str, str]:
    """SignUpInput of somebody new."""
    return {
        "email": f"{uuid4().hex}@example.com",
        "password": PASSWORD,
        "name": "Ada",
        "workspaceName": "Lab",
    } | changes


async def sign_up(server: Address, **changes: str) -> Member:
    """Somebody new; ``changes`` are fields of SignUpInput."""
    data = await server.client().execute(SIGN_UP, input=new_account(**changes))
    return member_of(server, data["signUp"])


async def with_new_workspace(member: Member) -> Member:
    """The same person in a new workspace: quicker than somebody new, whose password has to be hashed."""
    mutation = """mutation {
      createWorkspace(input: {name: "Lab"}) { ... on CreateWorkspacePayload { workspace { id } } }
    }"""
    made = (await member.client.execute(mutation))["createWorkspace"]["workspace"]
    return replace(member, workspace_id=made["id"])


def member_of(server: Address, session: Json) -> Member:
    """Who a SessionPayload speaks of."""
    assert session["__typename"] == "SessionPayload", session
    viewer = session["viewer"]
    return Member(
        client=server.client(session["accessToken"]),
        user_id=viewer["id"],
        email=viewer["email"],
        workspace_id=viewer["memberships"][0]["workspace"]["id"],
        access_token=session["accessToken"],
        refresh_token=session["refreshToken"],
    )
