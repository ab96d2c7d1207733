// Multipart HTTP as networks of Relay and urql read it.

import { meros } from "meros/browser";

export async function* subscribe(url, token, operation) {
  const response = await fetch(url, {
    method: "POST",
    headers: {
      Accept: "multipart/mixed;subscriptionSpec=1.0, application/json",
      Authorization: `Bearer ${token}`,
      "Content-Type": "application/json",
    },
    body: JSON.stringify(operation),
  });
  const parts = await meros(response);
  if (parts === response) throw (await response.json()).errors;
  for await (const { body } of parts) {
    if (body.payload) yield body.payload;
  }
}
