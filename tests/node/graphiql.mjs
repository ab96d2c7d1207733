// graphiql.mjs URL TOKEN SCREENSHOT QUERY VARIABLES_JSON [OTHER_TOKEN]
//
// Drives the GraphiQL page in a headless Chromium as a person would: opens URL#token=TOKEN, runs the operation that
// the page starts with, runs QUERY in the last of its tabs until it completes, and takes the picture. Given
// OTHER_TOKEN, puts that into the headers and runs QUERY again in a new tab. Prints what was seen as one JSON object:
//
//   title, address, tabs   of the page; the address without what stood behind URL, if all is well
//   first, query, again    what the result pane showed, as text; `again` is null without OTHER_TOKEN
//   requests               addresses of all requests, sockets included
//   inits                  the payload of each socket's connection_init
//   complaints             errors and warnings on the console, uncaught exceptions, failed requests
//   stored                 what the page left in local storage, as text

import { launch, watch } from "./chromium.mjs";

const [url, token, screenshot, query, variables, otherToken] = process.argv.slice(2);

const browser = await launch();
try {
  const page = await browser.newPage({
    viewport: { width: 1440, height: 900 },
    permissions: ["clipboard-read", "clipboard-write"],
  });
  const { requests, complaints, sent } = watch(page);
  const seen = await drive(page);
  const stored = await page.evaluate(() => JSON.stringify(localStorage));
  const inits = sent.filter(({ type }) => type === "connection_init").map(({ payload }) => payload ?? null);
  const title = await page.title();
  console.log(JSON.stringify({ title, address: page.url(), ...seen, requests, inits, complaints, stored }));
} finally {
  await browser.close();
}

async function drive(page) {
  const seen = { again: null };
  await page.goto(`${url}#token=${token}`);
  await page.locator(".view-line", { hasText: "Authorization" }).waitFor(); // the editors come after the buttons
  seen.tabs = await page.locator(".graphiql-tab-button").allInnerTexts();
  await execute(page);
  seen.first = await copyResult(page);

  await page.locator(".graphiql-tab-button").last().click();
  await fill(page, query, variables);
  await execute(page);
  await page.screenshot({ path: screenshot });
  seen.query = await copyResult(page);

  if (otherToken !== undefined) {
    await page.getByRole("button", { name: "Headers", exact: true }).click();
    await replaceText(page, "Headers", JSON.stringify({ Authorization: `Bearer ${otherToken}` }));
    await page.getByRole("button", { name: "New tab" }).click();
    await fill(page, query, variables);
    await execute(page);
    seen.again = await copyResult(page);
  }
  return seen;
}

async function fill(page, operation, values) {
  await replaceText(page, "Operation Editor", operation);
  await page.getByRole("button", { name: "Variables", exact: true }).click();
  await replaceText(page, "Variables", values);
}

/** Pastes, because the editor completes brackets and quotes in what is typed. */
async function replaceText(page, editor, text) {
  await page.getByRole("region", { name: editor }).locator(".monaco-editor:visible").click();
  await page.keyboard.press("Control+A");
  await page.evaluate((pasted) => navigator.clipboard.writeText(pasted), text);
  await page.keyboard.press("Control+V");
}

/** Runs a tab whose result pane is still empty, until something is shown there and the button may be pressed again. */
async function execute(page) {
  const button = page.getByRole("button", { name: /^Execute query/ }); // "Stop query" while a subscription lasts
  await button.click();
  await resultPane(page).locator(".view-line", { hasText: "{" }).first().waitFor();
  await button.waitFor();
}

/** Copies, because the editor draws only the lines in view. */
async function copyResult(page) {
  await resultPane(page).locator(".monaco-editor").click();
  await page.keyboard.press("Control+A");
  await page.keyboard.press("Control+C");
  return page.evaluate(() => navigator.clipboard.readText());
}

function resultPane(page) {
  return page.getByRole("region", { name: "Result Window" });
}
