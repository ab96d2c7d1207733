from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Optional, Union

from .async_base_client import AsyncBaseClient
from .base_model import UNSET, UnsetType
from .create_agent import (
    CreateAgent,
    CreateAgentCreateAgentConflictError,
    CreateAgentCreateAgentCreateAgentPayload,
    CreateAgentCreateAgentForbiddenError,
    CreateAgentCreateAgentNotFoundError,
    CreateAgentCreateAgentValidationError,
)
from .create_workspace import (
    CreateWorkspace,
    CreateWorkspaceCreateWorkspaceConflictError,
    CreateWorkspaceCreateWorkspaceCreateWorkspacePayload,
    CreateWorkspaceCreateWorkspaceForbiddenError,
    CreateWorkspaceCreateWorkspaceValidationError,
)
from .input_types import (
    CreateAgentInput,
    CreateWorkspaceInput,
    RefreshSessionInput,
    SignUpInput,
    StartRunInput,
)
from .refresh_session import (
    RefreshSession,
    RefreshSessionRefreshSessionSessionPayload,
    RefreshSessionRefreshSessionUnauthenticatedError,
)
from .run_events import (
    RunEvents,
    RunEventsRunEventsReasoningDelta,
    RunEventsRunEventsRunEvent,
    RunEventsRunEventsRunFinished,
    RunEventsRunEventsRunRewound,
    RunEventsRunEventsTextDelta,
    RunEventsRunEventsToolCalled,
)
from .runs import Runs, RunsWorkspace
from .sign_up import (
    SignUp,
    SignUpSignUpConflictError,
    SignUpSignUpRateLimitedError,
    SignUpSignUpSessionPayload,
    SignUpSignUpValidationError,
)
from .start_run import (
    StartRun,
    StartRunStartRunBudgetExceededError,
    StartRunStartRunConflictError,
    StartRunStartRunForbiddenError,
    StartRunStartRunNotFoundError,
    StartRunStartRunRateLimitedError,
    StartRunStartRunStartRunPayload,
    StartRunStartRunValidationError,
)
from .usage import Usage, UsageWorkspace


def gql(q: str) -> str:
    return q


class Client(AsyncBaseClient):
    async def sign_up(
        self, input: SignUpInput, **kwargs: Any
    ) -> Union[
        SignUpSignUpSessionPayload,
        SignUpSignUpValidationError,
        SignUpSignUpConflictError,
        SignUpSignUpRateLimitedError,
    ]:
        query = gql("""
            mutation SignUp($input: SignUpInput!) {
              signUp(input: $input) {
                __typename
                ...Session
                ...Failure
              }
            }

            fragment Failure on Error {
              code
              message
              path
            }

            fragment Session on SessionPayload {
              accessToken
              refreshToken
              expiresAt
            }
            """)
        variables: dict[str, object] = {"input": input}
        response = await self.execute(
            query=query, operation_name="SignUp", variables=variables, **kwargs
        )
        data = self.get_data(response)
        return SignUp.model_validate(data).sign_up

    async def refresh_session(
        self, input: RefreshSessionInput, **kwargs: Any
    ) -> Union[
        RefreshSessionRefreshSessionSessionPayload,
        RefreshSessionRefreshSessionUnauthenticatedError,
    ]:
        query = gql("""
            mutation RefreshSession($input: RefreshSessionInput!) {
              refreshSession(input: $input) {
                __typename
                ...Session
                ...Failure
              }
            }

            fragment Failure on Error {
              code
              message
              path
            }

            fragment Session on SessionPayload {
              accessToken
              refreshToken
              expiresAt
            }
            """)
        variables: dict[str, object] = {"input": input}
        response = await self.execute(
            query=query, operation_name="RefreshSession", variables=variables, **kwargs
        )
        data = self.get_data(response)
        return RefreshSession.model_validate(data).refresh_session

    async def create_workspace(
        self, input: CreateWorkspaceInput, **kwargs: Any
    ) -> Union[
        CreateWorkspaceCreateWorkspaceCreateWorkspacePayload,
        CreateWorkspaceCreateWorkspaceValidationError,
        CreateWorkspaceCreateWorkspaceForbiddenError,
        CreateWorkspaceCreateWorkspaceConflictError,
    ]:
        query = gql("""
            mutation CreateWorkspace($input: CreateWorkspaceInput!) {
              createWorkspace(input: $input) {
                __typename
                ... on CreateWorkspacePayload {
                  workspace {
                    id
                    name
                  }
                }
                ...Failure
              }
            }

            fragment Failure on Error {
              code
              message
              path
            }
            """)
        variables: dict[str, object] = {"input": input}
        response = await self.execute(
            query=query, operation_name="CreateWorkspace", variables=variables, **kwargs
        )
        data = self.get_data(response)
        return CreateWorkspace.model_validate(data).create_workspace

    async def create_agent(
        self, input: CreateAgentInput, **kwargs: Any
    ) -> Union[
        CreateAgentCreateAgentCreateAgentPayload,
        CreateAgentCreateAgentValidationError,
        CreateAgentCreateAgentForbiddenError,
        CreateAgentCreateAgentNotFoundError,
        CreateAgentCreateAgentConflictError,
    ]:
        query = gql("""
            mutation CreateAgent($input: CreateAgentInput!) {
              createAgent(input: $input) {
                __typename
                ... on CreateAgentPayload {
                  agent {
                    id
                    name
                  }
                }
                ...Failure
              }
            }

            fragment Failure on Error {
              code
              message
              path
            }
            """)
        variables: dict[str, object] = {"input": input}
        response = await self.execute(
            query=query, operation_name="CreateAgent", variables=variables, **kwargs
        )
        data = self.get_data(response)
        return CreateAgent.model_validate(data).create_agent

    async def start_run(
        self, input: StartRunInput, **kwargs: Any
    ) -> Union[
        StartRunStartRunStartRunPayload,
        StartRunStartRunValidationError,
        StartRunStartRunForbiddenError,
        StartRunStartRunNotFoundError,
        StartRunStartRunConflictError,
        StartRunStartRunBudgetExceededError,
        StartRunStartRunRateLimitedError,
    ]:
        query = gql("""
            mutation StartRun($input: StartRunInput!) {
              startRun(input: $input) {
                __typename
                ... on StartRunPayload {
                  run {
                    id
                  }
                }
                ...Failure
                ... on RateLimitedError {
                  retryAfterMs
                }
              }
            }

            fragment Failure on Error {
              code
              message
              path
            }
            """)
        variables: dict[str, object] = {"input": input}
        response = await self.execute(
            query=query, operation_name="StartRun", variables=variables, **kwargs
        )
        data = self.get_data(response)
        return StartRun.model_validate(data).start_run

    async def run_events(
        self, run_id: str, after: int, **kwargs: Any
    ) -> AsyncIterator[
        Union[
            RunEventsRunEventsRunEvent,
            RunEventsRunEventsReasoningDelta,
            RunEventsRunEventsRunFinished,
            RunEventsRunEventsRunRewound,
            RunEventsRunEventsTextDelta,
            RunEventsRunEventsToolCalled,
        ]
    ]:
        query = gql("""
            subscription RunEvents($runId: ID!, $after: Int!) {
              runEvents(runId: $runId, after: $after) {
                __typename
                seq
                ... on TextDelta {
                  firstSeq
                  stepId
                  text
                }
                ... on ReasoningDelta {
                  firstSeq
                  stepId
                  text
                }
                ... on ToolCalled {
                  name
                  arguments
                }
                ... on RunRewound {
                  stepId
                  toSeq
                }
                ... on RunFinished {
                  textSha256
                  run {
                    status
                    failure {
                      code
                      message
                    }
                  }
                }
              }
            }
            """)
        variables: dict[str, object] = {"runId": run_id, "after": after}
        async for data in self.execute_ws(
            query=query, operation_name="RunEvents", variables=variables, **kwargs
        ):
            yield RunEvents.model_validate(data).run_events

    async def runs(
        self,
        workspace_id: str,
        first: int,
        after: Union[Optional[str], UnsetType] = UNSET,
        **kwargs: Any,
    ) -> Optional[RunsWorkspace]:
        query = gql("""
            query Runs($workspaceId: ID!, $first: Int!, $after: String) {
              workspace(id: $workspaceId) {
                runs(first: $first, after: $after) {
                  nodes {
                    id
                    status
                    createdAt
                  }
                  pageInfo {
                    hasNextPage
                    endCursor
                  }
                }
              }
            }
            """)
        variables: dict[str, object] = {
            "workspaceId": workspace_id,
            "first": first,
            "after": after,
        }
        response = await self.execute(
            query=query, operation_name="Runs", variables=variables, **kwargs
        )
        data = self.get_data(response)
        return Runs.model_validate(data).workspace

    async def usage(
        self, workspace_id: str, from_: datetime, to: datetime, **kwargs: Any
    ) -> Optional[UsageWorkspace]:
        query = gql("""
            query Usage($workspaceId: ID!, $from: DateTime!, $to: DateTime!) {
              workspace(id: $workspaceId) {
                usage(from: $from, to: $to, interval: HOUR, groupBy: MODEL) {
                  totals {
                    runs
                    inputTokens
                    outputTokens
                    costUsd
                  }
                  groups {
                    label
                    totals {
                      llmCalls
                      costUsd
                    }
                  }
                }
              }
            }
            """)
        variables: dict[str, object] = {
            "workspaceId": workspace_id,
            "from": from_,
            "to": to,
        }
        response = await self.execute(
            query=query, operation_name="Usage", variables=variables, **kwargs
        )
        data = self.get_data(response)
        return Usage.model_validate(data).workspace
