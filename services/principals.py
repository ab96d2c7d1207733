"""Who calls, and with which rights, by what they show: an access token or the secret of an API key."""

from core.auth import AccessClaims, KeyRing
from core.errors import Unauthenticated
from core.principals import Credentials, KeyProof, Principal
from core.tokens import hash_token, is_key_secret
from services import api_keys, sessions


def proof_of(keys: KeyRing, credentials: Credentials) -> AccessClaims | KeyProof:
    """What these show, as far as that can be told without looking anything up.

    Raises:
        Unauthenticated: they are not valid or have expired, or an end user's token comes with no API key.
    """
    if is_key_secret(credentials.token):
        token = credentials.end_user_token
        end_user = keys.verify_end_user_token(token) if token else None
        return KeyProof(hash_token(credentials.token), credentials.origin, end_user)
    if credentials.end_user_token:
        raise Unauthenticated(api_keys.MISPLACED)
    return keys.verify_access_token(credentials.token)


async def authenticate(keys: KeyRing, credentials: Credentials) -> Principal:
    """Who sends these, with the rights of this moment.

    Raises:
        Unauthenticated: they are not valid or have expired, the session has ended, the key was revoked or is for pages
            of other origins, or the end user's token goes with no browser key of its workspace.
    """
    return await load(proof_of(keys, credentials))


async def load(proof: AccessClaims | KeyProof) -> Principal:
    """The caller who has shown this, with the rights of this moment.

    Raises:
        Unauthenticated: the session has ended; the key was revoked or has expired.
    """
    return await (sessions.load(proof) if isinstance(proof, AccessClaims) else api_keys.load(proof))
