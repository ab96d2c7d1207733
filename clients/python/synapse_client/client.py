"""The generated client, signed in."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from synapse_client.errors import payload
from synapse_client.generated import Client, GraphQLClientGraphQLMultiError, RefreshSessionInput
from synapse_client.generated.fragments import Session as Tokens

REFRESH_BEFORE = timedelta(seconds=30)
TIMEOUT_S = 30.0


class Session(httpx.Auth):
    """The tokens of whoever is signed in, put into each request; none until `sign_up` or `sign_in` gave some."""

    def __init__(self, endpoint: str) -> None:
        self.tokens: Tokens | None = None
        self._endpoint = endpoint
        # A refresh token works once: whoever comes second waits, and takes what the first one got.
        self._refreshing = asyncio.Lock()

    async def headers(self) -> dict[str, str]:
        """Authorization, with an access token that is good for a while.

        Raises:
            ApiError: the session has ended.
        """
        async with self._refreshing:
            if self.tokens and self.tokens.expires_at - datetime.now(UTC) < REFRESH_BEFORE:
                self.tokens = await self._refresh(self.tokens.refresh_token)
        return {"Authorization": f"Bearer {self.tokens.access_token}"} if self.tokens else {}

    def expire(self) -> None:
        """Has the access token renewed before the next operation, whatever it says about itself."""
        if self.tokens:
            self.tokens = self.tokens.model_copy(update={"expires_at": datetime.now(UTC)})

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        request.headers.update(await self.headers())
        yield request

    async def _refresh(self, refresh_token: str) -> Tokens:
        # A request of our own would wait for the token that it is to bring.
        async with Client(self._endpoint) as anonymous:
            return payload(await anonymous.refresh_session(RefreshSessionInput(refresh_token=refresh_token)), Tokens)


class SynapseClient(Client):
    """A client of the server at ``address``, such as http://127.0.0.1:8000, that keeps its ``session`` alive."""

    def __init__(self, address: str) -> None:
        endpoint = f"{address.rstrip('/')}/graphql"
        self.session = Session(endpoint)
        http_client: Any = httpx.AsyncClient(auth=self.session, timeout=TIMEOUT_S)
        super().__init__(endpoint, http_client=http_client, ws_url=endpoint.replace("http", "ws", 1))

    async def execute_ws(self, *args: Any, **kwargs: Any) -> AsyncIterator[dict[str, Any]]:
        # Asked for at each connection, so a new socket never brings an old token.
        self.ws_connection_init_payload = await self.session.headers()
        async for data in super().execute_ws(*args, **kwargs):
            yield data

    async def _handle_ws_message(self, message: Any, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        # The generated code passes over a result that has errors and no data.
        result = json.loads(message).get("payload")
        if isinstance(result, dict) and (errors := result.get("errors")):
            raise GraphQLClientGraphQLMultiError.from_errors_dicts(errors, result.get("data"))
        return await super()._handle_ws_message(message, *args, **kwargs)
