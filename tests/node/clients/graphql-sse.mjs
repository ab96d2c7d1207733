// Server-Sent Events in distinct connections mode.

import { createClient } from "graphql-sse";

export function subscribe(url, token, operation) {
  return createClient({ url, headers: { Authorization: `Bearer ${token}` }, retryAttempts: 0 }).iterate(operation);
}
