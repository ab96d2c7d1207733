"""What clients send to say who calls, in the headers of a request or in the payload of connection_init."""

from collections.abc import Mapping

from core.errors import Unauthenticated
from core.principals import Credentials

AUTHORIZATION = "authorization"
END_USER_TOKEN = "x-end-user-token"


def credentials_of(fields: Mapping[str, object], origin: str | None) -> Credentials | None:
    """What stands in ``fields``, under names in any letter case; None for an anonymous caller. ``origin`` is what the
    request's header of that name says.

    Raises:
        Unauthenticated: it is malformed.
    """
    given = {name.lower(): value for name, value in fields.items()}
    token = _bearer(given.get(AUTHORIZATION))
    if token is None:
        return None
    end_user_token = given.get(END_USER_TOKEN) or None
    if not isinstance(end_user_token, str | None):
        raise Unauthenticated("X-End-User-Token must be a token.")
    return Credentials(token, origin, end_user_token)


def _bearer(authorization: object) -> str | None:
    if authorization is None or authorization == "":
        return None
    scheme, _, token = authorization.partition(" ") if isinstance(authorization, str) else ("", "", "")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("Authorization must be: Bearer TOKEN.")
    return token.strip()
