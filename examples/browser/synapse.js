// Trusted operations over one WebSocket: graphql-transport-ws, by a browser key and an end user's token.
// The protocol: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md

const RENEW_BEFORE_MS = 60_000;

/** The id by which an operation is trusted: the SHA-256 of its text. Browsers offer that on https and on localhost. */
export async function documentId(text) {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return "sha256:" + Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Synapse {
  #socket = null;
  #sinks = new Map();
  #lastId = 0;
  #renewal = 0;

  /** `newSession` asks the page's own server: {url, key, token, expiresAt}. */
  constructor(newSession) {
    this.newSession = newSession;
  }

  /** The results of a trusted operation, as they come; throws when it is refused or the connection is lost. */
  async *run(documentId, variables) {
    const socket = await (this.#socket ??= this.#open());
    const id = String(++this.#lastId);
    const queue = [];
    let wake = () => {};
    this.#sinks.set(id, (message) => (queue.push(message), wake()));
    try {
      socket.send(JSON.stringify({ id, type: "subscribe", payload: { documentId, variables } }));
      for (;;) {
        while (queue.length === 0) await new Promise((resolve) => (wake = resolve));
        const { type, payload } = queue.shift();
        if (type === "complete") return;
        const errors = type === "error" ? payload : payload.errors;
        if (errors) throw new Error(errors[0].message);
        yield payload.data;
      }
    } finally {
      this.#sinks.delete(id);
      if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ id, type: "complete" }));
    }
  }

  async #open() {
    try {
      const session = await this.newSession();
      const socket = new WebSocket(session.url.replace(/^http/, "ws"), "graphql-transport-ws");
      await new Promise((resolve, reject) => {
        socket.onopen = () => this.#send(socket, "connection_init", session);
        socket.onclose = ({ reason }) => (this.#lose(reason), reject(new Error(reason || "There is no connection.")));
        socket.onmessage = ({ data }) => {
          const message = JSON.parse(data);
          if (message.type === "connection_ack") resolve();
          else if (message.type === "ping") socket.send(JSON.stringify({ type: "pong" }));
          else this.#sinks.get(message.id)?.(message);
        };
      });
      this.#renewLater(socket, session);
      return socket;
    } catch (error) {
      this.#socket = null;
      throw error;
    }
  }

  /** A socket lives as long as its token, and takes a fresh one with a ping. */
  #renewLater(socket, { expiresAt }) {
    const delay = Math.max(Date.parse(expiresAt) - Date.now() - RENEW_BEFORE_MS, 1000);
    this.#renewal = setTimeout(async () => {
      const session = await this.newSession();
      this.#send(socket, "ping", session);
      this.#renewLater(socket, session);
    }, delay);
  }

  #send(socket, type, { key, token }) {
    const payload = { Authorization: `Bearer ${key}`, "X-End-User-Token": token };
    socket.send(JSON.stringify({ type, payload }));
  }

  #lose(reason) {
    clearTimeout(this.#renewal);
    this.#socket = null;
    const lost = { type: "error", payload: [{ message: reason || "The connection was lost." }] };
    for (const sink of this.#sinks.values()) sink(lost);
  }
}
