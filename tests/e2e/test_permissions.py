"""The table of permissions is what the API does, and what the documentation prints."""

from pathlib import Path

import pytest

from core.permissions import Permission, Role
from tests.accounts import Member, sign_up
from tests.e2e.colleagues import colleague
from tests.e2e.examples import EXAMPLES, Stage, mutations, send
from tests.servers.app import Server

DOCUMENT = Path(__file__).parents[2] / "docs/permissions.md"
# What each mutation needs in the workspace that it changes; None where there is none yet that the caller is in.
NEEDED: dict[str, Permission | None] = {
    "signUp": None,
    "signIn": None,
    "refreshSession": None,
    "signOut": None,
    "createWorkspace": None,
    "acceptInvitation": None,
    "inviteMember": Permission.MANAGE_MEMBERS,
    "revokeInvitation": Permission.MANAGE_MEMBERS,
    "changeMemberRole": Permission.MANAGE_MEMBERS,
    "removeMember": Permission.MANAGE_MEMBERS,
    "transferOwnership": Permission.MANAGE_OWNERS,
    "setProviderCredential": Permission.MANAGE_CREDENTIALS,
    "createAgent": Permission.CONFIGURE,
    "updateAgent": Permission.CONFIGURE,
    "publishAgentVersion": Permission.CONFIGURE,
    "archiveAgent": Permission.CONFIGURE,
    "startRun": Permission.RUN,
    "cancelRun": Permission.RUN,
}


@pytest.fixture(scope="module")
async def stage(server: Server) -> Stage:
    return Stage(server, await sign_up(server), await sign_up(server))


@pytest.fixture(scope="module")
async def colleagues(stage: Stage) -> dict[Role, Member]:
    """Members of each role but the owner's."""
    return {role: await colleague(stage.server, stage.owner, role) for role in Role if role is not Role.OWNER}


def test_every_mutation_has_an_example_and_a_permission() -> None:
    assert set(mutations()) == set(EXAMPLES) == set(NEEDED)


@pytest.mark.parametrize("mutation", [name for name, permission in NEEDED.items() if permission is not None])
async def test_a_mutation_takes_the_role_that_the_table_says(
    stage: Stage, colleagues: dict[Role, Member], mutation: str
) -> None:
    needed = NEEDED[mutation]
    assert needed is not None
    for role, member in colleagues.items():
        result = await send(member.client, mutation, (await EXAMPLES[mutation](stage)).input)
        assert (result["__typename"] == "ForbiddenError") is not role.may(needed), (role, result)
        if role.may(needed):
            assert "code" not in result, result


def test_the_documentation_prints_the_table() -> None:
    roles = list(reversed(Role))
    rows = [
        f"| {permission.what} | {' | '.join('yes' if role.may(permission) else '' for role in roles)} |"
        for permission in Permission
    ]
    head = f"| A member may | {' | '.join(role.value for role in roles)} |"
    table = "\n".join([head, "|---" * (len(roles) + 1) + "|", *rows])
    assert table in DOCUMENT.read_text(), table
