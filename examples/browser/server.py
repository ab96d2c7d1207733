"""The page's own server: it serves the page as it is, and says who uses it. Needs Python alone.

Its environment: SYNAPSE_URL (http://127.0.0.1:8000/graphql), WORKSPACE_ID, AGENT_ID, SYNAPSE_KEY (a secret key with the
scopes WRITE and END_USERS), BROWSER_KEY (with READ and RUN, for the page's origin) and PORT (5173).
"""

import json
import os
from functools import partial
from http.cookies import SimpleCookie
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen
from uuid import uuid4

FOLDER = Path(__file__).parent
URL = os.environ.get("SYNAPSE_URL", "http://127.0.0.1:8000/graphql")
WORKSPACE = {"workspaceId": os.environ["WORKSPACE_ID"]}
COOKIE = "visitor"
TRUST = """mutation ($input: TrustOperationsInput!) {
  trustOperations(input: $input) { ... on TrustOperationsPayload { documentIds } ... on Error { message } }
}"""
MINT = """mutation ($input: CreateEndUserTokenInput!) {
  createEndUserToken(input: $input) { ... on CreateEndUserTokenPayload { token expiresAt } ... on Error { message } }
}"""


def synapse(mutation: str, **given: Any) -> dict[str, Any]:
    """The payload of a mutation; raises RuntimeError when it was refused."""
    body = json.dumps({"query": mutation, "variables": {"input": given | WORKSPACE}}).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {os.environ['SYNAPSE_KEY']}"}
    with urlopen(Request(URL, body, headers)) as response:
        [payload] = json.load(response)["data"].values()
    if "message" in payload:
        raise RuntimeError(payload["message"])
    return dict(payload)


class Page(SimpleHTTPRequestHandler):
    """GET serves the folder; POST /session says who uses the page."""

    def do_POST(self) -> None:
        """Knows people again by a cookie; a server with accounts would take the account's id."""
        cookies = SimpleCookie(self.headers.get("Cookie", ""))
        visitor = cookies[COOKIE].value if COOKIE in cookies else uuid4().hex
        minted = synapse(MINT, externalId=visitor)
        session = minted | {"url": URL, "key": os.environ["BROWSER_KEY"], "agentId": os.environ["AGENT_ID"]}
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Set-Cookie", f"{COOKIE}={visitor}; HttpOnly; SameSite=Strict; Path=/")
        self.end_headers()
        self.wfile.write(json.dumps(session).encode())


if __name__ == "__main__":
    synapse(TRUST, documents=[file.read_text() for file in sorted((FOLDER / "operations").glob("*.graphql"))])
    address = ("127.0.0.1", int(os.environ.get("PORT", "5173")))
    ThreadingHTTPServer(address, partial(Page, directory=str(FOLDER))).serve_forever()
