// sign_up.mjs URL TRUSTED EMAIL...
//
// Signs up with the TypeScript client, once for each EMAIL. Prints what came of each, and the bodies that were sent.

import { createClient, Session } from "../../../clients/typescript/src/client.ts";
import { SignUpDocument } from "../../../clients/typescript/src/generated/graphql.ts";

const [url, trusted, ...emails] = process.argv.slice(2);
const bodies = [];
const send = globalThis.fetch;
globalThis.fetch = (input, init) => {
  bodies.push(JSON.parse(init.body));
  return send(input, init);
};

const client = createClient(url, new Session(), { trusted: trusted === "true" });
const results = [];
for (const email of emails) {
  const input = { email, password: "correct horse battery", name: "Ada", workspaceName: "Lab" };
  const { data, error } = await client.mutation(SignUpDocument, { input });
  results.push(data?.signUp.__typename ?? error.message);
}
console.log(JSON.stringify({ results, bodies }));
