// browser_example.mjs URL MESSAGE...
//
// Opens the example page at URL in a headless Chromium as two people with cookies of their own; the first one sends each
// MESSAGE, and the second one the first of them. Prints what was seen as one JSON object:
//
//   shown        for each person, the class and text of all that the page shows
//   requests     addresses of all requests, sockets included
//   complaints   errors and warnings on the console, uncaught exceptions, failed requests
//   sent         the payloads of all operations that went over sockets

import { chromium } from "playwright-core";

const [url, ...messages] = process.argv.slice(2);
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium"; // Debian's
const SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];

const browser = await chromium.launch({ executablePath: CHROMIUM, args: SWITCHES });
const log = { requests: [], complaints: [], sent: [] };
try {
  const shown = [await talk(messages), await talk(messages.slice(0, 1))];
  console.log(JSON.stringify({ shown, ...log }));
} finally {
  await browser.close();
}

async function talk(said) {
  const page = await (await browser.newContext()).newPage();
  watch(page);
  await page.goto(url);
  for (const message of said) {
    const answered = page.locator("[data-status]");
    const before = await answered.count();
    await page.getByRole("textbox", { name: "Message" }).fill(message);
    await page.getByRole("button", { name: "Send" }).click();
    await answered.nth(before).waitFor();
  }
  return page.locator("#messages li").evaluateAll((items) => items.map((item) => [item.className, item.textContent]));
}

function watch(page) {
  page.on("request", (request) => log.requests.push(request.url()));
  page.on("requestfailed", (request) => log.complaints.push(`${request.url()} ${request.failure().errorText}`));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) log.complaints.push(message.text());
  });
  page.on("pageerror", (error) => log.complaints.push(String(error)));
  page.on("websocket", (socket) => {
    log.requests.push(socket.url());
    socket.on("framesent", ({ payload }) => {
      const message = JSON.parse(payload);
      if (message.type === "subscribe") log.sent.push(message.payload);
    });
  });
}
