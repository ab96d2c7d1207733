// A conversation with an agent, straight from the page. Its own server is asked for one thing: who uses it.

import { Synapse, documentId } from "./synapse.js";

const RETRIES = 5;

const synapse = new Synapse(newSession);
// Awaited where it is needed: somebody may be quicker with their first message than this.
const ready = prepare();
const form = document.getElementById("form");
let threadId = null;

form.addEventListener("submit", async (submit) => {
  submit.preventDefault();
  const message = form.elements.message.value;
  form.elements.message.value = "";
  show("user", message);
  try {
    await answer(message);
  } catch (error) {
    show("failure", error.message);
  }
});

async function answer(message) {
  const { agentId, startRun } = await ready;
  const variables = { agentId, message, threadId };
  const { value } = await synapse.run(startRun, variables).next();
  const result = value.startRun;
  if (result.__typename !== "StartRunPayload") throw new Error(result.message);
  threadId = result.run.thread.id;
  await follow(result.run.id, show("assistant", ""));
}

/** Shows what the agent says. After a lost connection it goes on with what came last. */
async function follow(runId, element) {
  const { runEvents } = await ready;
  let pieces = [];
  let after = 0;
  for (let failures = 0; ; ) {
    try {
      for await (const { runEvents: event } of synapse.run(runEvents, { runId, after })) {
        if (event.__typename === "TextDelta") pieces.push(event);
        // The model's call began again, and what it said before no longer stands.
        if (event.__typename === "RunRewound")
          pieces = pieces.filter(({ stepId, seq }) => stepId !== event.stepId || seq <= event.toSeq);
        element.textContent = pieces.map(({ text }) => text).join("");
        if (event.__typename === "RunFinished") element.dataset.status = event.run.status;
        after = event.seq;
        failures = 0;
      }
      return;
    } catch (error) {
      if (++failures > RETRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, 500 * failures));
    }
  }
}

function show(className, text) {
  const element = document.createElement("li");
  element.className = className;
  element.textContent = text;
  document.getElementById("messages").append(element);
  return element;
}

async function prepare() {
  const [{ agentId }, startRun, runEvents] = await Promise.all([
    newSession(),
    ...["StartRun", "RunEvents"].map(trustedId),
  ]);
  return { agentId, startRun, runEvents };
}

async function newSession() {
  const response = await fetch("session", { method: "POST" });
  if (!response.ok) throw new Error("The page's server gave no token.");
  return response.json();
}

async function trustedId(name) {
  return documentId(await (await fetch(`operations/${name}.graphql`)).text());
}
