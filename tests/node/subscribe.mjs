// subscribe.mjs CLIENT URL TOKEN QUERY VARIABLES_JSON
//
// Subscribes as any web page would, with the npm client of that name, and prints each result as a line of JSON. Exits 0
// when the server completes the subscription; otherwise 1, with {errors} of GraphQL, {code, reason} of the closed socket
// or {message} on standard error.

const [client, url, token, query, variables] = process.argv.slice(2);

const { subscribe } = await import(`./clients/${client}.mjs`);
try {
  for await (const result of subscribe(url, token, { query, variables: JSON.parse(variables) })) {
    console.log(JSON.stringify(result));
  }
} catch (problem) {
  console.error(JSON.stringify(describe(problem)));
  process.exitCode = 1;
}

function describe(problem) {
  if (Array.isArray(problem)) return { errors: problem };
  if (problem instanceof CloseEvent) return { code: problem.code, reason: problem.reason };
  return { message: problem.message };
}
