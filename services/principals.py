"""Who calls, and with which rights, by what they show: an access token or the secret of an API key."""

from core.auth import AccessClaims, KeyRing
from core.principals import KeyProof, Principal
from core.tokens import hash_token, is_key_secret
from services import api_keys, sessions


async def authenticate(keys: KeyRing, token: str) -> Principal:
    """Who sends this token, with the rights of this moment.

    Raises:
        Unauthenticated: it is not valid or has expired, its session has ended, or it is a key that was revoked.
    """
    return await load(KeyProof(hash_token(token)) if is_key_secret(token) else keys.verify_access_token(token))


async def load(proof: AccessClaims | KeyProof) -> Principal:
    """The caller who has shown this, with the rights of this moment.

    Raises:
        Unauthenticated: the session has ended; the key was revoked or has expired.
    """
    return await (sessions.load(proof) if isinstance(proof, AccessClaims) else api_keys.load(proof))
