"""Signing up, in and out. Who signs in is the caller for what is left of the operation."""

from uuid import UUID

from models.users import User
from resolvers.context import Context
from services import accounts, sessions
from services.accounts import SignUp
from services.sessions import Tokens


async def viewer(context: Context) -> User | None:
    """The user who asks; None for an anonymous caller, and for an API key."""
    principal = context.caller()
    return await context.get(User, principal.user_id) if principal and principal.user_id else None


async def sign_up(context: Context, form: SignUp) -> Tokens:
    return _enter(context, await accounts.sign_up(context.runtime.keys, context.runtime.settings, form))


async def sign_in(context: Context, email: str, password: str) -> Tokens:
    return _enter(context, await accounts.sign_in(context.runtime.keys, context.runtime.settings, email, password))


async def refresh_session(context: Context, refresh_token: str) -> Tokens:
    runtime = context.runtime
    return _enter(context, await sessions.refresh(runtime.keys, runtime.settings, refresh_token))


async def sign_out(context: Context) -> UUID:
    """Ends the caller's session; the user's id."""
    session = context.require_principal().require_person()
    await sessions.end_session(session)
    context.principal = None
    return session.user_id


def _enter(context: Context, tokens: Tokens) -> Tokens:
    context.principal = tokens.principal
    return tokens
