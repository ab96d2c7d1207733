"""Signing up, in and out."""

from datetime import datetime
from typing import Annotated, Self

import strawberry

from core import ids
from core.ids import IdPrefix
from models.users import User as UserRow
from resolvers import accounts
from schema.errors import (
    ConflictError,
    ForbiddenError,
    RateLimitedError,
    UnauthenticatedError,
    ValidationError,
)
from schema.fields import Input, field, mutation
from schema.info import Info
from schema.workspaces import User
from services.accounts import SignUp
from services.sessions import Tokens


@strawberry.input(description="A new account, with a workspace of its own.")
class SignUpInput:
    email: str = strawberry.field(description="To sign in with; no two accounts share one.")
    password: str = strawberry.field(description="10 to 1,000 characters.")
    name: str = strawberry.field(description="What people call the user; at most 200 characters.")
    workspace_name: str = strawberry.field(description="What to call the workspace; at most 200 characters.")


@strawberry.input(description="The credentials of an account.")
class SignInInput:
    email: str = strawberry.field(description="The account's e-mail address, in any letter case.")
    password: str = strawberry.field(description="The account's password.")


@strawberry.input(description="A session to go on with.")
class RefreshSessionInput:
    refresh_token: str = strawberry.field(description="The newest of the session; each works once.")


@strawberry.type(description="A session: the user is signed in.")
class SessionPayload:
    access_token: str = strawberry.field(description="Send it as `Authorization: Bearer ...`.")
    refresh_token: str = strawberry.field(description="For refreshSession, once; using it again ends the session.")
    expires_at: datetime = strawberry.field(description="When the access token expires.")
    viewer: User = strawberry.field(description="Who is signed in.")

    @classmethod
    async def of(cls, info: Info, tokens: Tokens) -> Self:
        return cls(
            access_token=tokens.access_token,
            refresh_token=tokens.refresh_token,
            expires_at=tokens.expires_at,
            viewer=User.of(await info.context.get(UserRow, tokens.user_id)),
        )


@strawberry.type(description="The caller's session has ended: its tokens and its live subscriptions.")
class SignOutPayload:
    user_id: strawberry.ID = strawberry.field(description="Who is signed out.")


SignUpResult = Annotated[
    SessionPayload | ValidationError | ConflictError | RateLimitedError,
    strawberry.union("SignUpResult", description="What came of signUp."),
]
SignInResult = Annotated[
    SessionPayload | UnauthenticatedError | RateLimitedError,
    strawberry.union("SignInResult", description="What came of signIn."),
]
RefreshSessionResult = Annotated[
    SessionPayload | UnauthenticatedError,
    strawberry.union("RefreshSessionResult", description="What came of refreshSession."),
]
SignOutResult = Annotated[
    SignOutPayload | ForbiddenError,
    strawberry.union("SignOutResult", description="What came of signOut. An API key has no session to end."),
]


@strawberry.type
class AccountQuery:
    @field("The user who asks; null when nobody is signed in, and for an API key.")
    async def viewer(self, info: Info) -> User | None:
        row = await accounts.viewer(info.context)
        return User.of(row) if row else None


@strawberry.type
class AccountMutation:
    @mutation("Make an account and a workspace of its own, and sign in.")
    async def sign_up(self, info: Info, input: Input[SignUpInput]) -> SignUpResult:
        form = SignUp(input.email, input.password, input.name, input.workspace_name)
        return await SessionPayload.of(info, await accounts.sign_up(info.context, form))

    @mutation("Sign in with an e-mail address and a password.")
    async def sign_in(self, info: Info, input: Input[SignInInput]) -> SignInResult:
        return await SessionPayload.of(info, await accounts.sign_in(info.context, input.email, input.password))

    @mutation("Exchange a refresh token for a new pair of tokens.")
    async def refresh_session(self, info: Info, input: Input[RefreshSessionInput]) -> RefreshSessionResult:
        return await SessionPayload.of(info, await accounts.refresh_session(info.context, input.refresh_token))

    @mutation("End the caller's session: its tokens and its live subscriptions.")
    async def sign_out(self, info: Info) -> SignOutResult:
        user_id = await accounts.sign_out(info.context)
        return SignOutPayload(user_id=strawberry.ID(ids.encode(IdPrefix.USER, user_id)))
