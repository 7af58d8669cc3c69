// Without scripts: each view reads, and each button that is shown does something. Facts: base, udp.
import assert from "node:assert/strict";
import { SIZES, assertInert, drive, facts, parsed, say, send, until, views } from "./common.mjs";

const { base } = facts;

await drive(async (browser) => {
  await send("shop.pay.time:320|ms|#region:eu\nhello:1|c\nhello:1|g\nnoise.a:1|c\nbroken\n_e{5,4}:title|text");
  await until("the lines are counted", async () => (await parsed()) >= 4);
  const faults = [];
  const context = await browser.newContext({ javaScriptEnabled: false, viewport: { width: SIZES[1][0], height: SIZES[1][1] } });
  const page = await context.newPage();
  // Of an answer that is no page, a browser asks for /favicon.ico.
  page.on("console", (message) => message.location().url.endsWith("/favicon.ico") || faults.push(message.text()));
  await page.goto(base);
  const shown = {
    "": "The way of a datagram",
    "ui/ask": "Paste into the box above",
    "ui/tail": "This view needs its script",
    "ui/series": "shop_time",
    "ui/rejected": "hello:1|g",
    "ui/rules": "noise.*",
    "ui/cardinality": "shop_time",
    "ui/senders": "127.0.0.1",
    "ui/scrapes": "/metrics",
    "ui/push": "push target",
    "ui/events": "title",
    "ui/actions": "Delete series",
  };
  for (const view of await views(page)) {
    await page.goto(view);
    await assertInert(page, view);
    const text = await page.locator("main").innerText();
    assert.ok(text.includes(shown[view.slice(base.length)] ?? ""), `${view}: ${text}`);
    const dead = await page.locator("button:visible").evaluateAll((buttons) => buttons.filter((button) => !button.form || button.type !== "submit").map((button) => button.outerHTML));
    assert.deepEqual(dead, [], `${view}: buttons that do nothing`);
    say("view", { view });
  }

  // Ask, search and the way down, by forms and links.
  await page.goto(base);
  for (const [question, verdict] of [["hello:1|g", "conflict"], ["noise.a", "dropped"], ["helo", "never"], ["shop_time", "arrives"]]) {
    await page.locator("#q").fill(question);
    await page.locator("header form button").click();
    assert.equal(await page.locator("[data-verdict]").first().getAttribute("data-verdict"), verdict, question);
  }
  await page.goto(`${base}ui/series`);
  await page.locator("#search").fill("shop");
  await page.locator("main form button").click();
  await page.locator("tbody a", { hasText: "shop_time" }).click();
  await page.locator("tbody a", { hasText: "region" }).click();
  await page.locator("tbody a", { hasText: "eu" }).click();
  await page.getByText('shop_time{part="pay",region="eu"}').waitFor();
  say("forms");

  // Actions answer with what they did.
  await page.goto(`${base}ui/actions`);
  await page.locator("#match").fill("hello");
  await page.locator("button", { hasText: "dry run" }).click();
  assert.match(await page.content(), /&quot;series&quot;:1|"series":1/);
  await page.goto(`${base}ui/actions`);
  await page.locator("#reload button").click();
  assert.match(await page.content(), /Requesting reload/);
  assert.deepEqual(faults, []);
  say("actions");
});
