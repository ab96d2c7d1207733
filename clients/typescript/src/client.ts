import { Client, type Exchange, fetchExchange, subscriptionExchange } from "@urql/core";
import { authExchange } from "@urql/exchange-auth";
import { persistedExchange } from "@urql/exchange-persisted";
import type { DocumentNode } from "graphql";
import { createClient as createSocket } from "graphql-ws";
import { dataOf, isUnauthenticated, payload } from "./errors.ts";
import { RefreshSessionDocument, type SessionFragment } from "./generated/graphql.ts";

const REFRESH_BEFORE_MS = 30_000;

/** The tokens of whoever is signed in. Empty until `signUp` or `signIn` gave some. */
export class Session {
  tokens: SessionFragment | undefined;

  get headers(): Record<string, string> {
    return this.tokens ? { Authorization: `Bearer ${this.tokens.accessToken}` } : {};
  }

  get needsRefresh(): boolean {
    return this.tokens !== undefined && Date.parse(this.tokens.expiresAt) - Date.now() < REFRESH_BEFORE_MS;
  }

  /** Has the access token renewed before the next operation, whatever it says about itself. */
  expire(): void {
    if (this.tokens) this.tokens = { ...this.tokens, expiresAt: new Date(0).toISOString() };
  }
}

/**
 * A GraphQL client of the server at `address`, such as http://127.0.0.1:8000, that keeps its `session` alive.
 *
 * `trusted`: the server knows `generated/persisted-documents.json`, so that the text of no operation need ever be sent.
 */
export function createClient(address: string, session: Session, { trusted = false } = {}): Client {
  const endpoint = new URL("/graphql", address);
  const socketEndpoint = new URL(endpoint);
  socketEndpoint.protocol = endpoint.protocol === "https:" ? "wss:" : "ws:";
  const socket = createSocket({
    url: socketEndpoint.href,
    // Asked for at each connection, so a new socket never brings an old token.
    connectionParams: () => session.headers,
    // It would repeat the operation as it was, with its old cursor. followRun resumes instead.
    retryAttempts: 0,
  });
  return new Client({
    url: endpoint.href,
    // Proxies write URLs to their logs, and what a user asks has no place there.
    preferGetMethod: false,
    exchanges: [
      keepSignedIn(session),
      sendHashes(trusted),
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: (request) => ({
          subscribe: (sink) => ({ unsubscribe: socket.subscribe({ ...request, query: request.query ?? "" }, sink) }),
        }),
      }),
    ],
  });
}

/** Sends the hash of an operation in place of its text, which follows only where the server does not know the hash. */
function sendHashes(trusted: boolean): Exchange {
  return persistedExchange({
    enableForMutation: true,
    enableForSubscriptions: true,
    preferGetForPersistedQueries: false,
    enforcePersistedQueries: trusted,
    ...(trusted && { generateHash: async (_text, document) => generatedHash(document) }),
  });
}

/** The key of a generated document in `persisted-documents.json`, which is the hash of its text there. */
function generatedHash(document: DocumentNode): string {
  return (document as DocumentNode & { __meta__: { hash: string } }).__meta__.hash.replace("sha256:", "");
}

/** A refresh token works once, so one refresh serves all operations that wait: authExchange sees to that. */
function keepSignedIn(session: Session): Exchange {
  return authExchange(async ({ appendHeaders, mutate }) => ({
    addAuthToOperation: (operation) => appendHeaders(operation, session.headers),
    willAuthError: () => session.needsRefresh,
    // A subscription that failed has moved on: only followRun knows from where to repeat it.
    didAuthError: (error, operation) => operation.kind !== "subscription" && isUnauthenticated(error),
    refreshAuth: async () => {
      if (!session.tokens) return;
      const input = { refreshToken: session.tokens.refreshToken };
      const { refreshSession } = await dataOf(mutate(RefreshSessionDocument, { input }));
      session.tokens = payload(refreshSession, "SessionPayload");
    },
  }));
}
