// WebSockets.

import { createClient } from "graphql-ws";

export function subscribe(url, token, operation) {
  return createClient({ url, connectionParams: { Authorization: `Bearer ${token}` } }).iterate(operation);
}
