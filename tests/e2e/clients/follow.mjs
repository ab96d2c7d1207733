// follow.mjs URL TOKENS_JSON RUN_ID
//
// Follows a run with the TypeScript client, and prints what came of it as JSON.

import { createClient, Session } from "../../../clients/typescript/src/client.ts";
import { followRun } from "../../../clients/typescript/src/runs.ts";
import { Transcript } from "../../../clients/typescript/src/transcript.ts";

const [url, tokens, runId] = process.argv.slice(2);
const session = new Session();
session.tokens = JSON.parse(tokens);
const before = session.tokens.accessToken;
const transcript = new Transcript();
let matches = false;
try {
  for await (const event of followRun(createClient(url, session), session, runId)) {
    transcript.take(event);
    if (event.__typename === "RunFinished") matches = transcript.matches(event.textSha256);
  }
  const refreshed = session.tokens.accessToken !== before;
  console.log(JSON.stringify({ text: transcript.text, matches, refreshed }));
} catch (error) {
  console.log(JSON.stringify({ failure: error.message }));
}
