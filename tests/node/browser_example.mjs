// browser_example.mjs URL MESSAGE...
//
// Opens the example page at URL in a headless Chromium as two people with cookies of their own; the first one sends each
// MESSAGE, and the second one the first of them, before the page's server has said who they are. Prints what was seen as
// one JSON object:
//
//   shown        for each person, the class and text of all that the page shows
//   requests     addresses of all requests, sockets included
//   complaints   errors and warnings on the console, uncaught exceptions, failed requests
//   sent         the payloads of all operations that went over sockets

import { launch, watch } from "./chromium.mjs";

const [url, ...messages] = process.argv.slice(2);

const browser = await launch();
try {
  const talks = [await talk(messages), await talk(messages.slice(0, 1), { sessionTakesMs: 1000 })];
  const all = (part) => talks.flatMap((talk) => talk[part]);
  const shown = talks.map((talk) => talk.shown);
  const sent = all("sent").filter(({ type }) => type === "subscribe").map(({ payload }) => payload);
  console.log(JSON.stringify({ shown, requests: all("requests"), complaints: all("complaints"), sent }));
} finally {
  await browser.close();
}

async function talk(said, { sessionTakesMs = 0 } = {}) {
  const page = await (await browser.newContext()).newPage();
  const log = watch(page);
  await page.route("**/session", async (route) => {
    await new Promise((resolve) => setTimeout(resolve, sessionTakesMs));
    await route.continue();
  });
  await page.goto(url);
  for (const message of said) {
    const answered = page.locator("[data-status]");
    const before = await answered.count();
    await page.getByRole("textbox", { name: "Message" }).fill(message);
    await page.getByRole("button", { name: "Send" }).click();
    await answered.nth(before).waitFor();
  }
  const shown = await page
    .locator("#messages li")
    .evaluateAll((items) => items.map((item) => [item.className, item.textContent]));
  return { shown, ...log };
}
