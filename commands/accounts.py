"""Signing in over the API, and having an agent to talk to."""

from datetime import UTC, datetime, timedelta
from typing import Any

from commands.client import GraphQLClient
from commands.terminal import CommandFailed

INSTRUCTIONS = "You are a helpful assistant. Answer in a few plain sentences."
MAX_OUTPUT_TOKENS = 200
REFRESH_BEFORE = timedelta(minutes=1)

_SESSION = """
    ... on SessionPayload {
      accessToken refreshToken expiresAt
      viewer { email memberships { workspace { id name } } }
    }
    ... on Error { code message }
"""
SIGN_UP = f"mutation SignUp($input: SignUpInput!) {{ signUp(input: $input) {{ {_SESSION} }} }}"
SIGN_IN = f"mutation SignIn($input: SignInInput!) {{ signIn(input: $input) {{ {_SESSION} }} }}"
REFRESH = f"mutation Refresh($input: RefreshSessionInput!) {{ refreshSession(input: $input) {{ {_SESSION} }} }}"
AGENTS = """
query Agents($workspaceId: ID!, $after: String) {
  workspace(id: $workspaceId) {
    agents(first: 100, after: $after) {
      nodes { id name }
      pageInfo { hasNextPage endCursor }
    }
  }
}
"""
CREATE_AGENT = """
mutation CreateAgent($input: CreateAgentInput!) {
  createAgent(input: $input) {
    ... on CreateAgentPayload { agent { id } }
    ... on Error { code message }
  }
}
"""


class Account:
    """Somebody signed in through ``client``, which carries their token from then on."""

    def __init__(self, client: GraphQLClient, session: dict[str, Any]) -> None:
        self._client = client
        self._adopt(session)
        self.email: str = session["viewer"]["email"]
        workspaces = [membership["workspace"] for membership in session["viewer"]["memberships"]]
        if not workspaces:
            raise CommandFailed(f"{self.email} is in no workspace.")
        self.workspace_id: str = workspaces[0]["id"]
        self.workspace_name: str = workspaces[0]["name"]

    def _adopt(self, session: dict[str, Any]) -> None:
        self._client.token = session["accessToken"]
        self._refresh_token: str = session["refreshToken"]
        self.expires_at = datetime.fromisoformat(session["expiresAt"])

    async def stay_signed_in(self) -> None:
        """Gets a new access token when the present one is about to expire."""
        if datetime.now(UTC) > self.expires_at - REFRESH_BEFORE:
            self._adopt(await self._client.mutate(REFRESH, {"refreshToken": self._refresh_token}))

    async def agent_named(self, name: str, model: str) -> str:
        """The id of the workspace's agent of that name; when there is none, it is made, on that model."""
        after = None
        while True:
            data = await self._client.request(AGENTS, workspaceId=self.workspace_id, after=after)
            page = data["workspace"]["agents"]
            for agent in page["nodes"]:
                if agent["name"] == name:
                    agent_id: str = agent["id"]
                    return agent_id
            if not page["pageInfo"]["hasNextPage"]:
                return await self._create_agent(name, model)
            after = page["pageInfo"]["endCursor"]

    async def _create_agent(self, name: str, model: str) -> str:
        config = {"model": model, "instructions": INSTRUCTIONS, "maxOutputTokens": MAX_OUTPUT_TOKENS}
        request = {"workspaceId": self.workspace_id, "name": name, "config": config}
        agent_id: str = (await self._client.mutate(CREATE_AGENT, request))["agent"]["id"]
        return agent_id


async def sign_in(client: GraphQLClient, email: str, password: str) -> Account:
    """Raises CommandFailed for wrong credentials."""
    return Account(client, await client.mutate(SIGN_IN, {"email": email, "password": password}))


async def sign_up(client: GraphQLClient, email: str, password: str, name: str, workspace_name: str) -> Account:
    """Makes the account and its workspace. Raises CommandFailed for a used e-mail address, among others."""
    request = {"email": email, "password": password, "name": name, "workspaceName": workspace_name}
    return Account(client, await client.mutate(SIGN_UP, request))
