// audits.mjs URL
//
// Puts the audits of graphql-http, the reference implementation of GraphQL over HTTP, to the endpoint, and prints each
// one as a line of JSON: {id, name, status, reason}. A status other than "ok" says how much a failure matters; the
// audits of what a server only may do count, too.

import { auditServer } from "graphql-http";

const [url] = process.argv.slice(2);

for (const { id, name, status, reason } of await auditServer({ url })) {
  console.log(JSON.stringify({ id, name, status, reason }));
}
