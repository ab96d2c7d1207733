/**
 * The text of the headers editor: one for all tabs, because who asks does not change with the operation.
 *
 * It holds a bearer token, so it lives in the browser tab's session storage and nowhere longer.
 */

const KEY = "synapse:headers";
const EMPTY = '{\n  // "Authorization": "Bearer YOUR_TOKEN"\n}';

export function loadHeaders() {
  return sessionStorage.getItem(KEY) ?? EMPTY;
}

export function saveHeaders(text) {
  sessionStorage.setItem(KEY, text);
}

/** Takes over the token of a link that ends in `#token=...`, and keeps it out of the address bar and the history. */
export function takeTokenFromAddress() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token === null) return;
  saveHeaders(JSON.stringify({ Authorization: `Bearer ${token}` }, null, 2));
  history.replaceState(null, "", location.pathname + location.search);
}
