// Multipart HTTP as Apollo Client reads it, with documents sent by their hash.

import { createHash } from "node:crypto";
import { ApolloClient, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { eachValueFrom } from "./observables.mjs";

const sha256 = (text) => createHash("sha256").update(text).digest("hex");

export function subscribe(uri, token, { query, variables }) {
  const http = new HttpLink({ uri, headers: { Authorization: `Bearer ${token}` } });
  const client = new ApolloClient({ link: new PersistedQueryLink({ sha256 }).concat(http), cache: new InMemoryCache() });
  return eachValueFrom(client.subscribe({ query: gql(query), variables, fetchPolicy: "no-cache" }));
}
