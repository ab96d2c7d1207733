"""What a server tells of its schema, where it is to tell nothing."""

import asyncio
from typing import Any

import pytest

from asgi import create_app  # noqa: TID251  # tests compose the application, too
from core.settings import Settings
from tests.accounts import sign_up
from tests.event_streams import SSE, complete
from tests.servers.app import Server, settings_for
from tests.servers.changes import changed

ASKING = [
    "{ __schema { queryType { name } } }",
    '{ __type(name: "Run") { name } }',
    "{ ...A } fragment A on Query { hidden: __schema { __typename } }",
]
MISSPELT: list[tuple[str, dict[str, Any]]] = [
    ("{ viewr { id } }", {}),
    ("{ viewer { emial } }", {}),
    ("{ node(idd: 1) { id } }", {}),
    ("{ node(id: 1) { ... on Rnu { id } } }", {}),
    ("mutation ($input: StartRunInput!) { startRun(input: $input) { __typename } }", {"input": {"agentIdd": "x"}}),
    ("subscription ($delivery: DeliveryInput) { runEvents(runId: 1, delivery: $delivery) { seq } }", {}),
]


def test_it_is_off_unless_asked_for() -> None:
    assert not Settings(database_url="x", secret_keys="x").introspection  # type: ignore[arg-type]


@pytest.mark.parametrize("query", ASKING)
async def test_questions_about_the_schema_are_refused(server: Server, query: str) -> None:
    member = await sign_up(server)
    assert (await member.client.send(query)).codes == []
    with changed(server, introspection=False):
        answer = await member.client.send(query)
        assert answer.codes == ["VALIDATION_FAILED"]
        assert "Introspection is off" in answer.errors[0]["message"]
        [streamed] = await complete(member.client, SSE, query)
        assert "Introspection is off" in streamed["errors"][0]["message"]
        assert (await member.client.send("{ __typename viewer { __typename } }")).codes == []


@pytest.mark.parametrize(("query", "variables"), MISSPELT)
async def test_no_name_is_suggested(server: Server, query: str, variables: dict[str, Any]) -> None:
    client = server.client()
    told = str((await client.send(query, **variables)).errors)
    with changed(server, introspection=False):
        silent = str((await client.send(query, **variables)).errors)
    assert ("Did you mean" in told, "Did you mean" in silent) == (query.find("DeliveryInput)") < 0, False)


@pytest.mark.parametrize(("introspection", "status"), [(False, 406), (True, 200)])
async def test_browsers_get_no_page(introspection: bool, status: int) -> None:
    app, sent = create_app(settings_for("", introspection=introspection), with_executor=False), []
    headers = [(b"accept", b"text/html"), (b"host", b"x")]
    scope = {"type": "http", "method": "GET", "path": "/graphql", "query_string": b"", "headers": headers}

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        await asyncio.Event().wait()

    await app(scope, receive, send)
    assert sent[0]["status"] == status
