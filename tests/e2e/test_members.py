"""Members over the API: how people come in, what they see then, and how they go."""

from typing import Any

import pytest

from core.permissions import Role
from tests.accounts import Member, sign_up
from tests.client import Json
from tests.e2e.colleagues import colleague
from tests.operations import (
    ACCEPT_INVITATION,
    CHANGE_MEMBER_ROLE,
    INVITE_MEMBER,
    REMOVE_MEMBER,
    REVOKE_INVITATION,
    TRANSFER_OWNERSHIP,
    answer,
    create_agent,
    start_run,
)
from tests.servers.app import Server

MODEL = "local/smollm2-135m"
MEMBERS = "query ($id: ID!) { workspace(id: $id) { members { nodes { id role user { id name } } } } }"
STARTED_BY = "query ($id: ID!) { run(id: $id) { startedBy { id name memberships { role } } } }"


async def invite(member: Member, email: str, role: str = "EDITOR", **input: Any) -> Json:
    values = {"workspaceId": member.workspace_id, "email": email, "role": role} | input
    return await answer(member.client, INVITE_MEMBER, **values)


async def membership_of(member: Member, user_id: str) -> Json:
    """That user's membership in the member's workspace, as the member sees it."""
    workspace = (await member.client.execute(MEMBERS, id=member.workspace_id))["workspace"]
    [found] = [node for node in workspace["members"]["nodes"] if node["user"]["id"] == user_id]
    membership: Json = found
    return membership


async def test_an_invited_person_signs_up_accepts_and_works(server: Server) -> None:
    owner = await sign_up(server, workspaceName="Shared")
    invited = await invite(owner, "Newcomer@Example.com")
    assert invited["invitationId"].startswith("invite_")
    newcomer = await sign_up(server, email="newcomer@example.com", name="Bo")
    joined = (await answer(newcomer.client, ACCEPT_INVITATION, token=invited["token"]))["membership"]
    assert (joined["role"], joined["user"]["name"]) == ("EDITOR", "Bo")
    assert joined["workspace"] == {"id": owner.workspace_id, "name": "Shared"}
    assert (await membership_of(owner, newcomer.user_id))["id"] == joined["id"]
    agent = await create_agent(owner, MODEL)
    assert (await start_run(newcomer, agent))["status"] == "QUEUED"


async def test_a_token_is_worth_nothing_to_others_and_nothing_twice(server: Server) -> None:
    owner, guest, thief = [await sign_up(server) for _ in range(3)]
    token = (await invite(owner, guest.email))["token"]
    answers = [await answer(person.client, ACCEPT_INVITATION, token=token) for person in (thief, guest, guest)]
    assert [each["__typename"] for each in answers] == ["NotFoundError", "AcceptInvitationPayload", "NotFoundError"]
    assert answers[0]["message"] == answers[2]["message"]
    anonymous = await server.client().send(ACCEPT_INVITATION, input={"token": token})
    assert anonymous.codes == ["UNAUTHENTICATED"]


async def test_open_invitations_are_seen_and_taken_back_by_admins(server: Server) -> None:
    owner, guest = await sign_up(server), await sign_up(server)
    invited = await invite(owner, guest.email, "VIEWER")
    query = """query ($id: ID!) {
      workspace(id: $id) { invitations { totalCount nodes { id email role expiresAt invitedBy { id } } } }
    }"""
    seen = (await owner.client.execute(query, id=owner.workspace_id))["workspace"]["invitations"]
    assert seen["nodes"] == [
        {
            "id": invited["invitationId"],
            "email": guest.email,
            "role": "VIEWER",
            "expiresAt": invited["expiresAt"],
            "invitedBy": {"id": owner.user_id},
        }
    ]
    node = "query ($id: ID!) { node(id: $id) { ... on Invitation { email } } }"
    for role, sees in ((Role.ADMIN, True), (Role.EDITOR, False)):
        member = await colleague(server, owner, role)
        listed = await member.client.send(query, id=owner.workspace_id)
        assert (listed.codes == []) is sees
        assert ((await member.client.execute(node, id=invited["invitationId"]))["node"] is not None) is sees
    for expected in ("RevokeInvitationPayload", "NotFoundError"):
        revoked = await answer(owner.client, REVOKE_INVITATION, invitationId=invited["invitationId"])
        assert revoked["__typename"] == expected
    assert (await answer(guest.client, ACCEPT_INVITATION, token=invited["token"]))["__typename"] == "NotFoundError"
    assert (await owner.client.execute(query, id=owner.workspace_id))["workspace"]["invitations"]["totalCount"] == 0


@pytest.mark.parametrize(
    ("input", "code", "path"),
    [
        ({"email": "nobody"}, "VALIDATION_FAILED", ["input", "email"]),
        ({"workspaceId": "garbage"}, "NOT_FOUND", ["input", "workspaceId"]),
    ],
)
async def test_what_can_not_be_invited_says_why(server: Server, input: Json, code: str, path: list[str]) -> None:
    owner = await sign_up(server)
    values = {"workspaceId": owner.workspace_id, "email": "eve@example.com", "role": "VIEWER"} | input
    result = await answer(owner.client, INVITE_MEMBER, **values)
    assert (result["code"], result["path"]) == (code, path)


async def test_a_member_is_not_invited_again(server: Server) -> None:
    owner = await sign_up(server)
    result = await invite(owner, owner.email)
    assert (result["__typename"], result["path"]) == ("ConflictError", ["input", "email"])


async def test_an_admin_does_not_make_owners(server: Server) -> None:
    owner = await sign_up(server)
    admin = await colleague(server, owner, Role.ADMIN)
    result = await invite(admin, "eve@example.com", "OWNER", workspaceId=owner.workspace_id)
    assert (result["__typename"], result["path"]) == ("ForbiddenError", ["input", "role"])


async def test_another_role_holds_from_the_next_request(server: Server) -> None:
    owner = await sign_up(server)
    member = await colleague(server, owner, Role.EDITOR)
    agent = await create_agent(owner, MODEL)
    key = (await membership_of(owner, member.user_id))["id"]
    changed = await answer(owner.client, CHANGE_MEMBER_ROLE, membershipId=key, role="VIEWER")
    assert (changed["membership"]["id"], changed["membership"]["role"]) == (key, "VIEWER")
    refused = await member.client.send(
        'mutation ($id: ID!) { startRun(input: {agentId: $id, message: "Hi"}) { ... on Error { code } } }',
        id=agent["id"],
    )
    assert refused.data["startRun"] == {"code": "FORBIDDEN"}


async def test_a_removed_member_sees_nothing_and_stays_named_on_what_they_did(server: Server) -> None:
    owner = await sign_up(server)
    member = await colleague(server, owner, Role.EDITOR)
    run = await start_run(member, await create_agent(owner, MODEL))
    key = (await membership_of(owner, member.user_id))["id"]
    assert await answer(owner.client, REMOVE_MEMBER, membershipId=key) == {
        "__typename": "RemoveMemberPayload",
        "membershipId": key,
    }
    assert (await member.client.execute(STARTED_BY, id=run["id"]))["run"] is None
    assert (await member.client.execute(MEMBERS, id=owner.workspace_id))["workspace"] is None
    started_by = (await owner.client.execute(STARTED_BY, id=run["id"]))["run"]["startedBy"]
    assert started_by == {"id": member.user_id, "name": "Ada", "memberships": []}
    again = await answer(owner.client, REMOVE_MEMBER, membershipId=key)
    assert (again["__typename"], again["path"]) == ("NotFoundError", ["input", "membershipId"])


async def test_whoever_leaves_is_out_and_the_last_owner_can_not(server: Server) -> None:
    owner = await sign_up(server)
    viewer = await colleague(server, owner, Role.VIEWER)
    own = (await membership_of(owner, viewer.user_id))["id"]
    assert (await answer(viewer.client, REMOVE_MEMBER, membershipId=own))["membershipId"] == own
    last = (await membership_of(owner, owner.user_id))["id"]
    for mutation, input in ((REMOVE_MEMBER, {}), (CHANGE_MEMBER_ROLE, {"role": "ADMIN"})):
        refused = await answer(owner.client, mutation, membershipId=last, **input)
        assert (refused["__typename"], refused["code"]) == ("ConflictError", "CONFLICT")


async def test_handing_the_ownership_over_shows_both(server: Server) -> None:
    owner = await sign_up(server)
    heir = await colleague(server, owner, Role.VIEWER)
    key = (await membership_of(owner, heir.user_id))["id"]
    handed = await answer(owner.client, TRANSFER_OWNERSHIP, membershipId=key)
    assert (handed["membership"]["id"], handed["membership"]["role"]) == (key, "OWNER")
    assert (handed["ownMembership"]["user"]["id"], handed["ownMembership"]["role"]) == (owner.user_id, "ADMIN")
