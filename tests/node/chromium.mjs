// A headless Chromium, and what a page in it does.

import { chromium } from "playwright-core";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium"; // Debian's
const SWITCHES = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export function launch() {
  return chromium.launch({ executablePath: CHROMIUM, args: SWITCHES });
}

/**
 * Notes from now on, in the log that is returned:
 *
 *   requests     addresses of all requests, sockets included
 *   complaints   errors and warnings on the console, uncaught exceptions, failed requests
 *   sent         the messages that the page sent over sockets
 */
export function watch(page) {
  const log = { requests: [], complaints: [], sent: [] };
  page.context().on("request", (request) => log.requests.push(request.url()));
  page.context().on("requestfailed", (request) => log.complaints.push(`${request.url()} ${request.failure().errorText}`));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) log.complaints.push(message.text());
  });
  page.on("pageerror", (error) => log.complaints.push(String(error)));
  page.on("websocket", (socket) => {
    log.requests.push(socket.url());
    socket.on("framesent", ({ payload }) => log.sent.push(JSON.parse(payload)));
  });
  return log;
}
