"""Accounts: signing up and signing in with an e-mail address and a password."""

from dataclasses import dataclass
from uuid import UUID

from email_validator import EmailNotValidError, validate_email

from core.auth import KeyRing
from core.errors import Conflict, Unauthenticated, ValidationFailed
from core.ids import new_id
from core.inputs import Path, require_storable, require_text
from core.settings import Settings
from models.database import fetch, transaction
from models.users import User
from services.passwords import hash_password, needs_rehash, require_strong, verify_password
from services.sessions import Tokens, add_token, issue, open_session
from services.workspaces import insert_workspace, require_name

MAX_NAME_CHARS = 200
EMAIL_PATH: Path = ("input", "email")

_INSERT_USER = """
INSERT INTO users (id, email, name, password_hash, created_at) VALUES ($1, $2, $3, $4, now())
ON CONFLICT (email) DO NOTHING RETURNING id
"""


@dataclass(frozen=True, slots=True)
class SignUp:
    """What a new user says about themselves."""

    email: str
    password: str
    name: str
    workspace_name: str


async def sign_up(keys: KeyRing, settings: Settings, form: SignUp) -> Tokens:
    """Make a user with a workspace of their own, and sign them in.

    Raises:
        ValidationFailed: a field can't be as it is.
        Conflict: the e-mail address has an account.
    """
    email = normalise_email(form.email)
    password = require_strong(form.password, ("input", "password"))
    name = require_text(form.name, ("input", "name"), max_chars=MAX_NAME_CHARS, what="The name")
    workspace_name = require_name(form.workspace_name, ("input", "workspaceName"))
    password_hash = await hash_password(password)
    user_id, workspace_id, session_id = new_id(), new_id(), new_id()
    async with transaction([workspace_id], user_id=user_id) as connection:
        if not await fetch(connection, _INSERT_USER, user_id, email, name, password_hash):
            raise Conflict("There is an account with this e-mail address.", EMAIL_PATH)
        await insert_workspace(connection, workspace_id, workspace_name, None, owner_id=user_id)
        refresh_token = await add_token(user_id, session_id, settings)
    return await issue(keys, settings, user_id, session_id, refresh_token)


async def sign_in(keys: KeyRing, settings: Settings, email: str, password: str) -> Tokens:
    """Sign a user in. The answer, and how long it takes, are the same whatever was wrong.

    Raises:
        Unauthenticated: there is no such account, or the password is another.
    """
    user = await _find_by_email(email)
    if not await verify_password(password, user.password_hash if user else None) or user is None:
        raise Unauthenticated("The e-mail address or the password is wrong.")
    if needs_rehash(user.password_hash):
        await _store_password(user.id, await hash_password(password))
    return await open_session(keys, settings, user.id)


def normalise_email(text: str) -> str:
    """The one form of an e-mail address under which it is stored and looked up, without regard to case.

    Raises:
        ValidationFailed: it is no e-mail address.
    """
    require_storable(text, EMAIL_PATH, what="The e-mail address")
    try:
        return validate_email(text.strip(), check_deliverability=False).normalized.casefold()
    except EmailNotValidError as error:
        raise ValidationFailed(f"This is no e-mail address: {error}", EMAIL_PATH) from None


async def _find_by_email(text: str) -> User | None:
    try:
        email = normalise_email(text)
    except ValidationFailed:
        return None
    async with transaction(email=email):
        return await User.get_or_none(email=email)


async def _store_password(user_id: UUID, password_hash: str) -> None:
    async with transaction(user_id=user_id):
        await User.filter(id=user_id).update(password_hash=password_hash)
