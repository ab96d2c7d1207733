/**
 * From signing up to reading what it cost:
 *
 *     npm run example -- --url http://127.0.0.1:8000 --model local/smollm2-135m --message "What is a synapse?"
 */
import { randomUUID } from "node:crypto";
import { parseArgs } from "node:util";
import type { Client } from "@urql/core";
import { createClient, Session } from "./client.ts";
import { dataOf, payload } from "./errors.ts";
import {
  CreateAgentDocument,
  CreateWorkspaceDocument,
  RunsDocument,
  type RunsQueryVariables,
  SignUpDocument,
  StartRunDocument,
  UsageDocument,
} from "./generated/graphql.ts";
import { followRun } from "./runs.ts";
import { Transcript } from "./transcript.ts";

const HOUR_MS = 3_600_000;

async function signUp(client: Client, session: Session): Promise<void> {
  const input = {
    email: `${randomUUID()}@example.com`,
    password: randomUUID(),
    name: "Ada",
    workspaceName: "Ada's",
  };
  const { signUp } = await dataOf(client.mutation(SignUpDocument, { input }));
  session.tokens = payload(signUp, "SessionPayload");
}

async function createWorkspace(client: Client): Promise<string> {
  const input = { name: "Example", idempotencyKey: randomUUID() };
  const { createWorkspace } = await dataOf(client.mutation(CreateWorkspaceDocument, { input }));
  return payload(createWorkspace, "CreateWorkspacePayload").workspace.id;
}

async function createAgent(client: Client, workspaceId: string, model: string): Promise<string> {
  const config = { model, instructions: "Answer in one sentence.", maxOutputTokens: 100 };
  const input = { workspaceId, name: "Assistant", config, idempotencyKey: randomUUID() };
  const { createAgent } = await dataOf(client.mutation(CreateAgentDocument, { input }));
  return payload(createAgent, "CreateAgentPayload").agent.id;
}

async function startRun(client: Client, agentId: string, message: string): Promise<string> {
  const input = { agentId, message, idempotencyKey: randomUUID() };
  const { startRun } = await dataOf(client.mutation(StartRunDocument, { input }));
  return payload(startRun, "StartRunPayload").run.id;
}

/** Prints a run as it happens, and returns whether it succeeded. */
async function watch(client: Client, session: Session, runId: string): Promise<boolean> {
  const transcript = new Transcript();
  for await (const event of followRun(client, session, runId)) {
    transcript.take(event);
    switch (event.__typename) {
      case "TextDelta":
        process.stdout.write(event.text);
        break;
      case "RunRewound":
        console.log("\n(begun again)");
        break;
      case "RunFinished": {
        const { status, failure } = event.run;
        console.log(`\n\n${status} after ${event.seq} events`);
        if (failure) console.log(failure.message);
        console.log(`The text ${transcript.matches(event.textSha256) ? "matches" : "DOES NOT MATCH"} its SHA-256.`);
        return status === "SUCCEEDED";
      }
    }
  }
  return false;
}

/** All runs of a workspace, newest first, page by page. */
async function* listRuns(client: Client, workspaceId: string) {
  let after: string | null = null;
  do {
    const variables: RunsQueryVariables = { workspaceId, first: 100, after };
    const { workspace } = await dataOf(client.query(RunsDocument, variables));
    if (!workspace) return;
    yield* workspace.runs.nodes;
    after = workspace.runs.pageInfo.hasNextPage ? workspace.runs.pageInfo.endCursor : null;
  } while (after);
}

async function printUsage(client: Client, workspaceId: string): Promise<void> {
  const now = Date.now();
  const [from, to] = [now - HOUR_MS, now + HOUR_MS].map((time) => new Date(time).toISOString()) as [string, string];
  const { workspace } = await dataOf(client.query(UsageDocument, { workspaceId, from, to }));
  const { totals, groups } = workspace!.usage;
  console.log(`Usage: ${totals.inputTokens} tokens in, ${totals.outputTokens} out, ${totals.costUsd} US dollars`);
  for (const { label, totals } of groups) console.log(`  ${label}: ${totals.llmCalls} calls, ${totals.costUsd} US dollars`);
}

const { values } = parseArgs({
  options: {
    url: { type: "string", default: "http://127.0.0.1:8000" },
    model: { type: "string", default: "local/smollm2-135m" },
    message: { type: "string", default: "What is a synapse?" },
    trusted: { type: "boolean", default: false },
  },
});
const session = new Session();
const client = createClient(values.url, session, { trusted: values.trusted });
await signUp(client, session);
const workspaceId = await createWorkspace(client);
const agentId = await createAgent(client, workspaceId, values.model);
const runId = await startRun(client, agentId, values.message);
if (!(await watch(client, session, runId))) process.exitCode = 1;
for await (const run of listRuns(client, workspaceId)) console.log(`${run.createdAt} ${run.id} ${run.status}`);
await printUsage(client, workspaceId);
