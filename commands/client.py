"""A GraphQL client as any product would write one: operations by POST, subscriptions by `graphql-transport-ws`
(https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md).
"""

from collections.abc import AsyncGenerator
from typing import Any, Self

import aiohttp

from commands.terminal import CommandFailed

PROTOCOL = "graphql-transport-ws"
# Close codes from here on mean that the server refuses what we do: trying again would not help.
FIRST_REFUSAL = 4400
REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=60)
HEARTBEAT_S = 20.0


class ConnectionLost(Exception):
    """The socket of a subscription broke; subscribing again may go on from there."""


class GraphQLClient:
    """Speaks to the server at ``address``, such as http://127.0.0.1:8000, as whom ``token`` names (nobody: None)."""

    def __init__(self, address: str) -> None:
        self.token: str | None = None
        self._endpoint = f"{address.rstrip('/')}/graphql"

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(timeout=REQUEST_TIMEOUT)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def request(self, document: str, **variables: Any) -> dict[str, Any]:
        """The ``data`` of a query's or mutation's answer.

        Raises:
            CommandFailed: there was no answer, or one with errors.
        """
        body = {"query": document, "variables": variables}
        try:
            async with self._http.post(self._endpoint, json=body, headers=self._authorization()) as response:
                answer = await response.json(content_type=None)
        except (aiohttp.ClientConnectionError, TimeoutError) as error:
            raise CommandFailed(f"No answer from {self._endpoint}: {error or 'it took too long'}.") from error
        except (aiohttp.ClientError, ValueError) as error:
            raise CommandFailed(f"{self._endpoint} does not speak GraphQL.") from error
        if errors := answer.get("errors"):
            raise CommandFailed(_describe(errors))
        data: dict[str, Any] = answer["data"]
        return data

    async def mutate(self, document: str, variables: dict[str, Any]) -> dict[str, Any]:
        """The payload of a document's single mutation, which asks every `Error` for its code and message.

        Raises:
            CommandFailed: as `request`, or the result is an expected failure.
        """
        (result,) = (await self.request(document, input=variables)).values()
        if "code" in result:
            raise CommandFailed(f"{result['message']} ({result['code']})")
        payload: dict[str, Any] = result
        return payload

    async def subscribe(self, document: str, **variables: Any) -> AsyncGenerator[dict[str, Any], None]:
        """The value of a document's single subscription field, event by event, until the server completes it.

        Raises:
            CommandFailed: the server refused.
            ConnectionLost: the connection could not be made, or broke.
        """
        try:
            async with self._http.ws_connect(self._endpoint, protocols=(PROTOCOL,), heartbeat=HEARTBEAT_S) as socket:
                await socket.send_json({"type": "connection_init", "payload": self._authorization()})
                async for frame in socket:
                    if frame.type is not aiohttp.WSMsgType.TEXT:
                        break
                    message = frame.json()
                    match message["type"]:
                        case "connection_ack":
                            operation = {"query": document, "variables": variables}
                            await socket.send_json({"id": "1", "type": "subscribe", "payload": operation})
                        case "ping":
                            await socket.send_json({"type": "pong"})
                        case "next":
                            yield _event(message["payload"])
                        case "error":
                            raise CommandFailed(_describe(message["payload"]))
                        case "complete":
                            return
        except aiohttp.ClientError as error:
            raise ConnectionLost(str(error)) from error
        if (socket.close_code or 0) >= FIRST_REFUSAL:
            raise CommandFailed(f"The server closed the socket with code {socket.close_code}.")
        raise ConnectionLost(f"closed with code {socket.close_code}")

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


def _event(result: dict[str, Any]) -> dict[str, Any]:
    if errors := result.get("errors"):
        raise CommandFailed(_describe(errors))
    (event,) = result["data"].values()
    value: dict[str, Any] = event
    return value


def _describe(errors: list[dict[str, Any]]) -> str:
    """The messages of top-level errors on one line, each with its code where it has one."""
    codes = [error.get("extensions", {}).get("code") for error in errors]
    return "; ".join(
        f"{error['message']} ({code})" if code else error["message"] for error, code in zip(errors, codes, strict=True)
    )
