import { createGraphiQLFetcher } from "@graphiql/toolkit";
import { getOperationAST } from "graphql";
import { createClient } from "graphql-ws";

const PATH = "/graphql";
const SOCKET_URL = location.origin.replace(/^http/, "ws") + PATH;
const EVENTS_SHOWN = 100;

const overHttp = createGraphiQLFetcher({ url: PATH, enableIncrementalDelivery: false });

/** Sends queries and mutations by POST, subscriptions over `graphql-transport-ws`, both with the editor's headers. */
export function fetcher(params, options) {
  const operation = options?.documentAST && getOperationAST(options.documentAST, params.operationName);
  return operation?.operation === "subscription" ? overSocket(params, options.headers) : overHttp(params, options);
}

/**
 * Runs one subscription on a socket of its own, so that headers edited since the last one hold for this one.
 *
 * A lost connection is shown rather than retried: retrying would start again with the same variables, and show
 * events twice.
 */
function overSocket(params, headers) {
  const client = createClient({ url: SOCKET_URL, connectionParams: headers, retryAttempts: 0 });
  return {
    subscribe(pane) {
      const earlier = [];
      const unsubscribe = client.subscribe(params, {
        next(result) {
          // GraphiQL replaces what it shows at each event; a stream of tokens reads better with what came before.
          pane.next(earlier.length > 0 ? { ...result, earlier: [...earlier] } : result);
          earlier.unshift(result.data);
          earlier.splice(EVENTS_SHOWN - 1);
        },
        error: (problem) => pane.error(readable(problem)),
        complete: () => pane.complete(),
      });
      return { unsubscribe };
    },
  };
}

function readable(problem) {
  if (problem instanceof CloseEvent) {
    return { message: `The server closed the socket: ${problem.code} ${problem.reason}`.trimEnd() };
  }
  if (problem instanceof Event) {
    return { message: `No connection to ${SOCKET_URL}` };
  }
  return problem; // the operation's GraphQL errors, which the pane shows as they are
}
