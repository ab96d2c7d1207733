// Server-Sent Events as urql reads them.

import { Client, fetchExchange } from "@urql/core";
import { toAsyncIterable } from "wonka";

export async function* subscribe(url, token, { query, variables }) {
  const client = new Client({
    url,
    exchanges: [fetchExchange],
    fetchSubscriptions: true,
    preferGetMethod: false,
    fetchOptions: { headers: { Authorization: `Bearer ${token}` } },
  });
  for await (const { data, error, hasNext } of toAsyncIterable(client.subscription(query, variables))) {
    if (error) throw error.graphQLErrors.length ? error.graphQLErrors : error;
    if (hasNext) yield { data }; // at the end of a stream urql gives the last result once more
  }
}
