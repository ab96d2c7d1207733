// What a Relay application would write: a list that is read page by page and put on to, an object that is refetched by
// its id, and a subscription whose events bring the objects in the store up to date.

const { graphql } = require("relay-runtime");

graphql`
  query AgentsQuery($workspaceId: ID!) {
    workspace(id: $workspaceId) {
      ...Agents_workspace
    }
  }
`;

graphql`
  fragment Agents_workspace on Workspace
  @refetchable(queryName: "AgentsPaginationQuery")
  @argumentDefinitions(first: { type: "Int", defaultValue: 20 }, after: { type: "String" }) {
    id
    agents(first: $first, after: $after) @connection(key: "Agents_agents") {
      edges {
        node {
          id
          ...Agents_agent
        }
      }
    }
  }
`;

graphql`
  fragment Agents_agent on Agent @refetchable(queryName: "AgentRefetchQuery") {
    name
    updatedAt
  }
`;

graphql`
  mutation AgentsCreateAgentMutation($input: CreateAgentInput!, $connections: [ID!]!) {
    createAgent(input: $input) {
      __typename
      ... on CreateAgentPayload {
        agent @prependNode(connections: $connections, edgeTypeName: "AgentEdge") {
          ...Agents_agent
        }
      }
      ... on Error {
        code
        message
      }
    }
  }
`;

graphql`
  subscription AgentsRunEventsSubscription($runId: ID!, $after: Int!) {
    runEvents(runId: $runId, after: $after) {
      __typename
      seq
      ... on RunFinished {
        run {
          id
          status
          outputText
        }
      }
    }
  }
`;
