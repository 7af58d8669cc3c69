// What the drivers share: a browser, a socket to the bridge, waiting, and all that a page must not do. `node NAME.mjs FACTS`, a JSON
// object that tests/browser.rs writes. A driver prints a line of JSON for each check; the last one is {"done": true}. Any error ends it
// with exit code 1.
import assert from "node:assert/strict";
import dgram from "node:dgram";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const { chromium } = require("playwright-core");
export const axe = require("axe-core");

export const facts = JSON.parse(process.argv[2] ?? "{}");
export const DEADLINE = 60_000;
export const SIZES = [[1280, 900], [390, 844]];
export const SCHEMES = ["light", "dark"];

export const say = (check, more = {}) => console.log(JSON.stringify({ check, ...more }));

const socket = dgram.createSocket("udp4");
export const send = (text) =>
  new Promise((done, failed) => socket.send(Buffer.from(text), facts.udp, "127.0.0.1", (error) => (error ? failed(error) : done())));

export async function until(what, holds) {
  const end = Date.now() + DEADLINE;
  for (;;) {
    const found = await holds();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not in time: ${what}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

// A request that is not the browser's, with the user if there is one.
export const ask = (path, more = {}) =>
  fetch(new URL(path, facts.base), { ...more, headers: { ...(facts.authorization && { authorization: facts.authorization }), ...more.headers } });
export const answer = async (path) => (await (await ask(path)).json()).data;
export const metric = async (name) =>
  (await (await ask("metrics")).text()).split("\n").filter((line) => line.startsWith(name)).reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
export const parsed = async () => (await answer("api/v1/overview")).way.find((stage) => stage.stage === "parsed").total;

export async function drive(run, args = []) {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox", "--disable-gpu", ...args] });
  try {
    await run(browser);
    console.log(JSON.stringify({ done: true }));
  } finally {
    await browser.close();
    socket.close();
  }
}

// A page that adds to `faults`: errors of the console, of scripts and of the policy.
export async function watched(context, faults) {
  const page = await context.newPage();
  page.setDefaultTimeout(DEADLINE);
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && faults.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => faults.push(`script: ${error.message}`));
  page.on("dialog", (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("request", (request) => {
    if (!/^(https?:\/\/(127\.0\.0\.1|localhost)|data:|blob:)/.test(request.url())) faults.push(`request: ${request.url()}`);
  });
  await page.exposeFunction("violated", (text) => faults.push(`policy: ${text}`));
  await page.addInitScript(() => addEventListener("securitypolicyviolation", (event) => window.violated(`${event.violatedDirective} ${event.blockedURI}`)));
  return page;
}

// The links of the navigation, so that a new view is driven too.
export const views = (page) => page.locator("nav a").evaluateAll((links) => links.map((link) => link.href));

// What holds for every page, whatever senders sent: nothing was made of their texts but text, and nothing is wider than the window.
export async function assertInert(page, what) {
  const wrong = await page.evaluate(() => {
    const known = "html head meta title link script body a header small form input button span div nav ul ol li main h1 h2 h3 p section dl dt dd dialog kbd code pre strong em br table caption thead tbody tr th td output label meter select option details summary noscript svg polyline polygon line text g rect path circle";
    const names = new Set(known.split(" "));
    // Characters that control, are invisible or reorder text. Line breaks are those of the page.
    const hidden = /[\p{Cc}\p{Cf}\u115f\u1160\u180b-\u180f\u2028\u2029\u3164\uffa0\ufe00-\ufe0f\u{e0000}-\u{e0fff}]/u;
    const found = [];
    for (const element of document.querySelectorAll("*")) {
      const name = element.localName;
      if (!names.has(name)) found.push(`element ${name}`);
      for (const { name: attribute, value } of element.attributes) {
        if (attribute.startsWith("on") || attribute === "style" || attribute === "srcdoc" || attribute === "target") found.push(`${name} has ${attribute}`);
        if (hidden.test(value.replaceAll("\n", ""))) found.push(`hidden characters in ${attribute} of ${name}`);
      }
      for (const link of ["href", "src", "action", "formAction"]) {
        if (!element.hasAttribute(link.toLowerCase())) continue;
        const url = new URL(element[link], location.href);
        if (url.origin !== location.origin && url.href !== "data:,") found.push(`${name} leads to ${url.href}`);
      }
    }
    if (document.scripts.length !== 1) found.push(`${document.scripts.length} scripts`);
    if (hidden.test(document.documentElement.textContent.replaceAll("\n", ""))) found.push("hidden characters in the text");
    if (document.documentElement.scrollWidth > innerWidth) found.push(`${document.documentElement.scrollWidth} pixels wide, of ${innerWidth}`);
    for (const element of document.querySelectorAll("header *, nav, main *")) {
      if (element.closest(".wide, .skip, [hidden]") && !element.matches(".wide")) continue;
      const { right, width } = element.getBoundingClientRect();
      if (width && right > innerWidth + 1) found.push(`${element.localName}.${element.className} ends at ${Math.round(right)} of ${innerWidth}`);
    }
    return [...new Set(found)].slice(0, 10);
  });
  assert.deepEqual(wrong, [], what);
  assert.ok((await page.title()).endsWith(" - Statsd Bridge"), `${what}: ${await page.title()}`);
  const size = Buffer.byteLength(await page.content());
  assert.ok(size < 1 << 20, `${what} has ${size} bytes`);
}

// What axe finds serious.
export async function assertAccessible(page, what) {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => axe.run());
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  assert.deepEqual(serious.map(({ id, nodes }) => `${what}: ${id}: ${nodes[0].html}`), []);
}

// Waits until the page renewed itself: what was sent before is shown.
export async function renewed(page) {
  for (let time = 0; time < 2; time++) {
    await page.waitForResponse((response) => response.request().resourceType() === "fetch" && response.url() === page.url().split("#")[0]);
  }
}
