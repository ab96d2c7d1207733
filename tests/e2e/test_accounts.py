"""Accounts, as clients see them."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from argon2 import PasswordHasher

from core import ids
from core.auth import KeyRing
from core.ids import IdPrefix
from models.database import open_connection, transaction
from models.users import User
from tests.accounts import (
    PASSWORD,
    REFRESH,
    SIGN_IN,
    SIGN_OUT,
    SIGN_UP,
    member_of,
    new_account,
    sign_up,
)
from tests.client import Json
from tests.servers.app import Server

VIEWER = "{ viewer { id email name memberships { role workspace { id name slug } } } }"


async def refused(server: Server, **changes: str) -> tuple[str, str, list[str]]:
    """What signUp answers to an account with these changes: type, code and path."""
    data = await server.client().execute(SIGN_UP, input=new_account(**changes))
    answer = data["signUp"]
    return answer["__typename"], answer["code"], answer["path"]


async def refresh(server: Server, token: str) -> Json:
    answer: Json = (await server.client().execute(REFRESH, input={"refreshToken": token}))["refreshSession"]
    return answer


async def test_signing_up_makes_a_user_who_owns_a_workspace(server: Server) -> None:
    account = new_account(name=" Ada Lovelace ", workspaceName="Ada's Lab")
    session = (await server.client().execute(SIGN_UP, input=account))["signUp"]
    member = member_of(server, session)
    viewer = (await member.client.execute(VIEWER))["viewer"]
    assert viewer["email"] == account["email"]
    assert viewer["name"] == "Ada Lovelace"
    [membership] = viewer["memberships"]
    assert membership["role"] == "OWNER"
    assert membership["workspace"]["name"] == "Ada's Lab"
    assert membership["workspace"]["slug"].startswith("ada-s-lab")
    assert jwt.decode(member.access_token, options={"verify_signature": False})["exp"] == int(
        datetime.fromisoformat(session["expiresAt"]).timestamp()
    )
    assert 14 * 60 < (datetime.fromisoformat(session["expiresAt"]) - datetime.now(UTC)).total_seconds() <= 15 * 60


async def test_two_workspaces_of_one_name_get_slugs_of_their_own(server: Server) -> None:
    members = await asyncio.gather(*(sign_up(server, workspaceName="Same Name") for _ in range(3)))
    slugs = [
        (await member.client.execute(VIEWER))["viewer"]["memberships"][0]["workspace"]["slug"] for member in members
    ]
    assert len(set(slugs)) == 3
    assert all(slug.startswith("same-name") for slug in slugs)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"email": "ada"}, "email"),
        ({"email": ""}, "email"),
        ({"email": "ada@exa mple.com"}, "email"),
        ({"email": f"{'a' * 400}@example.com"}, "email"),
        ({"email": "a\x00da@example.com"}, "email"),
        ({"password": "123456789"}, "password"),
        ({"password": "p" * 1001}, "password"),
        ({"password": "password\x00password"}, "password"),
        ({"name": " "}, "name"),
        ({"name": "A\x00da"}, "name"),
        ({"name": "n" * 201}, "name"),
        ({"workspaceName": ""}, "workspaceName"),
        ({"workspaceName": "L\x00ab"}, "workspaceName"),
        ({"workspaceName": "w" * 201}, "workspaceName"),
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_what_an_account_cannot_have_is_a_validation_error(
    server: Server, changes: dict[str, str], field: str
) -> None:
    assert await refused(server, **changes) == ("ValidationError", "VALIDATION_FAILED", ["input", field])


async def test_an_address_has_one_account_in_whatever_letter_case(server: Server) -> None:
    member = await sign_up(server)
    expected = ("ConflictError", "CONFLICT", ["input", "email"])
    assert await refused(server, email=member.email) == expected
    assert await refused(server, email=f" {member.email.upper()} ") == expected


async def test_of_many_who_sign_up_with_one_address_one_gets_it(server: Server) -> None:
    account = new_account()
    answers = await asyncio.gather(*(server.client().execute(SIGN_UP, input=account) for _ in range(5)))
    names = sorted(answer["signUp"]["__typename"] for answer in answers)
    assert names == ["ConflictError"] * 4 + ["SessionPayload"]


@pytest.mark.parametrize("password", ["p" * 10, "p" * 1000, "pässwörd 密码", "  spaces  count  "])
async def test_a_password_is_taken_as_it_is(server: Server, password: str) -> None:
    member = await sign_up(server, password=password)
    session = await server.client().execute(SIGN_IN, input={"email": member.email, "password": password})
    assert member_of(server, session["signIn"]).user_id == member.user_id


async def test_signing_in_knows_the_address_in_any_letter_case(server: Server) -> None:
    member = await sign_up(server)
    session = await server.client().execute(SIGN_IN, input={"email": member.email.upper(), "password": PASSWORD})
    assert member_of(server, session["signIn"]).user_id == member.user_id


async def test_what_fails_leaves_nothing_half_written(server: Server) -> None:
    member = await sign_up(server)
    assert (await refused(server, email=member.email, workspaceName="Never made"))[0] == "ConflictError"
    connection = await open_connection(server.settings.database_url)
    assert await connection.fetchval("SELECT count(*) FROM workspaces WHERE name = 'Never made'") == 0
    await connection.close()


async def test_a_password_kept_with_weaker_parameters_is_hashed_anew_at_sign_in(server: Server) -> None:
    member = await sign_up(server)
    user_id = ids.decode(IdPrefix.USER, member.user_id)
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    async with transaction(user_id=user_id):
        await User.filter(id=user_id).update(password_hash=weak)
    for _ in range(2):
        session = await server.client().execute(SIGN_IN, input={"email": member.email, "password": PASSWORD})
        assert member_of(server, session["signIn"]).user_id == member.user_id
    async with transaction(user_id=user_id):
        assert (await User.get(id=user_id)).password_hash.startswith("$argon2id$v=19$m=65536,t=3,p=4$")


async def test_signing_in_fails_alike_whatever_is_wrong(server: Server) -> None:
    member = await sign_up(server)
    attempts = [
        (member.email, "wrong password"),
        (member.email, ""),
        (member.email, "p" * 100_000),
        (member.email, f"{PASSWORD}\x00"),
        ("nobody@example.com", PASSWORD),
        ("no address", PASSWORD),
        ("\x00", PASSWORD),
    ]
    answers = [
        (await server.client().execute(SIGN_IN, input={"email": email, "password": password}))["signIn"]
        for email, password in attempts
    ]
    assert all(answer == answers[0] for answer in answers)
    assert (answers[0]["__typename"], answers[0]["code"]) == ("UnauthenticatedError", "UNAUTHENTICATED")


async def test_a_refreshed_session_goes_on_and_both_access_tokens_work(server: Server) -> None:
    member = await sign_up(server)
    refreshed = member_of(server, await refresh(server, member.refresh_token))
    assert refreshed.user_id == member.user_id
    for client in (member.client, refreshed.client):
        assert (await client.execute(VIEWER))["viewer"]["id"] == member.user_id
    assert sid(refreshed.access_token) == sid(member.access_token)


async def test_using_a_refresh_token_again_ends_the_session_for_all_its_tokens(server: Server) -> None:
    member = await sign_up(server)
    second = member_of(server, await refresh(server, member.refresh_token))
    assert (await refresh(server, member.refresh_token))["__typename"] == "UnauthenticatedError"
    assert (await refresh(server, second.refresh_token))["__typename"] == "UnauthenticatedError"
    for client in (member.client, second.client):
        assert (await client.send(VIEWER)).codes == ["UNAUTHENTICATED"]
    session = await server.client().execute(SIGN_IN, input={"email": member.email, "password": PASSWORD})
    assert session["signIn"]["__typename"] == "SessionPayload"


async def test_of_two_who_use_one_refresh_token_at_once_one_goes_on_at_most(server: Server) -> None:
    member = await sign_up(server)
    answers = await asyncio.gather(*(refresh(server, member.refresh_token) for _ in range(5)))
    winners = [answer for answer in answers if answer["__typename"] == "SessionPayload"]
    assert len(winners) <= 1
    assert (await member.client.send(VIEWER)).codes == ["UNAUTHENTICATED"]


@pytest.mark.parametrize("token", ["", "x", "\x00", "é" * 1000])
async def test_a_refresh_token_that_is_none_of_ours_is_refused(server: Server, token: str) -> None:
    assert (await refresh(server, token))["__typename"] == "UnauthenticatedError"


async def test_signing_out_ends_the_session_at_once_and_no_other(server: Server) -> None:
    member = await sign_up(server)
    elsewhere = member_of(
        server,
        (await server.client().execute(SIGN_IN, input={"email": member.email, "password": PASSWORD}))["signIn"],
    )
    answer = await member.client.execute(SIGN_OUT)
    assert answer["signOut"] == {"__typename": "SignOutPayload", "userId": member.user_id}
    after = await member.client.send(VIEWER)
    assert (after.body["data"], after.codes) == ({"viewer": None}, ["UNAUTHENTICATED"])
    assert (await refresh(server, member.refresh_token))["__typename"] == "UnauthenticatedError"
    assert (await elsewhere.client.execute(VIEWER))["viewer"]["id"] == member.user_id


async def test_a_session_that_is_refreshed_while_it_ends_does_not_survive(server: Server) -> None:
    for _ in range(5):
        member = await sign_up(server)
        answer, _ = await asyncio.gather(refresh(server, member.refresh_token), member.client.execute(SIGN_OUT))
        assert (await member.client.send(VIEWER)).codes == ["UNAUTHENTICATED"]
        if answer["__typename"] == "SessionPayload":
            assert (await refresh(server, answer["refreshToken"]))["__typename"] == "UnauthenticatedError"


async def test_nobody_is_anybody_without_signing_in(server: Server) -> None:
    assert (await server.client().execute(VIEWER))["viewer"] is None
    answer = await server.client().send(SIGN_OUT)
    assert (answer.body["data"], answer.codes) == (None, ["UNAUTHENTICATED"])


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "Bearer ", "Bearer x", "Bearer a.b.c", "token"])
async def test_a_wrong_authorization_header_is_unauthenticated(server: Server, header: str) -> None:
    answer = await server.client().post(b'{"query": "{ viewer { id } }"}', Authorization=header)
    assert (answer.body["data"], answer.codes) == ({"viewer": None}, ["UNAUTHENTICATED"])


async def test_a_session_can_be_refreshed_with_a_stale_access_token_sent_along(server: Server) -> None:
    member = await sign_up(server)
    stale = server.client("stale.access.token")
    answer = await stale.execute(REFRESH, input={"refreshToken": member.refresh_token})
    assert answer["refreshSession"]["__typename"] == "SessionPayload"


async def test_a_token_of_a_session_that_never_was_is_refused(server: Server) -> None:
    keys: KeyRing = server.app.state.runtime.keys
    member = await sign_up(server)
    claims = keys.verify_access_token(member.access_token)
    forged, _ = keys.issue_access_token(claims.user_id, claims.user_id, claims.expires_at - datetime.now(UTC))
    assert (await server.client(forged).send(VIEWER)).codes == ["UNAUTHENTICATED"]


def sid(token: str) -> Any:
    return jwt.decode(token, options={"verify_signature": False})["sid"]
