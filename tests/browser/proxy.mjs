// Behind nginx, under a path. Facts: bases (URLs of the page; the same bridge by several ways), forgetful (one where the proxy does not
// pass on the host), udp.
import assert from "node:assert/strict";
import { SIZES, assertInert, drive, facts, say, send, until, views, watched } from "./common.mjs";

await drive(async (browser) => {
  await send("shop.pay.time:320|ms|#region:eu\nhello:1|c\nhello:1|g\nbroken");
  for (const [number, base] of facts.bases.entries()) {
    const faults = [];
    const [width, height] = SIZES[number % SIZES.length];
    const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width, height } });
    const page = await watched(context, faults);

    // The path without its slash leads to the page.
    await page.goto(base.replace(/\/$/, ""));
    assert.equal(page.url(), base);
    const seen = new Set();
    const all = await views(page);
    assert.ok(all.length >= 12);
    page.on("request", (request) => request.url().startsWith(base) || request.url() === "data:," || faults.push(`outside of the path: ${request.url()}`));
    for (const view of [...all, `${base}ui/series?family=shop_time&label=region`, `${base}ui/ask?q=hello`]) {
      await page.goto(view);
      await assertInert(page, view);
      const links = await page.evaluate(() => [...document.querySelectorAll("[href], [src], [action], [data-stream]")].map((element) => element.href || element.src || element.action || new URL(element.dataset.stream, location.href).href));
      links.filter((link) => link !== "data:," && !link.includes("#")).forEach((link) => seen.add(link));
    }
    for (const link of seen) {
      assert.ok(link.startsWith(base), `${link} leads out of ${base}`);
      if (/\/api\/v1\/(series\/delete|tail)$|\/-\/reload$/.test(link)) continue;
      const response = await context.request.get(link);
      assert.equal(response.status(), 200, link);
    }
    say("links", { base, links: seen.size });

    // Forms, renewal, actions and lines.
    await page.goto(base);
    await page.locator("#q").fill(`later.${number}`);
    await page.keyboard.press("Enter");
    await page.waitForURL(`${base}ui/ask?q=later.${number}`);
    assert.equal(await page.locator("[data-verdict]").getAttribute("data-verdict"), "never");
    await send(`later.${number}:1|c`);
    await page.locator("[data-verdict=arrives]").waitFor();
    await page.goto(`${base}ui/series`);
    await page.locator("#search").fill("shop");
    await page.locator("main form button").click();
    await page.waitForURL(`${base}ui/series?q=shop&sort=name`);
    await page.locator("tbody a", { hasText: "shop_time" }).click();
    await page.waitForURL(`${base}ui/series?family=shop_time`);
    await page.goto(`${base}ui/actions`);
    await page.locator("#match").fill(`later.${number}`.replace(".", "_"));
    await page.locator("#match").fill(`{__name__="later.${number}"}`);
    await page.locator("button", { hasText: "dry run" }).click();
    await page.locator("output", { hasText: "Would delete 1 series" }).waitFor();
    await page.locator("#really").click();
    await page.locator("output", { hasText: "Deleted 1 series" }).waitFor();
    await page.locator("#reload button").click();
    await page.locator("output", { hasText: "were loaded" }).waitFor();
    await page.goto(`${base}ui/tail`);
    await page.locator("#tail-name").fill("proxied.*");
    await page.locator("#filter button").click();
    await page.waitForURL(/name=proxied/);
    await until("a line is in the tail", async () => {
      await send("proxied.line:1|c");
      return page.locator("#tail tr", { hasText: "proxied.line" }).count();
    });
    // nginx passes each line on when it comes.
    const sent = Date.now();
    await send("proxied.again:1|c");
    await page.locator("#tail tr", { hasText: "proxied.again" }).waitFor();
    await assertInert(page, "tail");
    say("a line is in the tail", { base, millis: Date.now() - sent });
    assert.deepEqual(faults, []);
    await context.close();
  }

  // The bridge cannot know that the request is its own page's, and says what to do. Reading works.
  const page = await browser.newPage();
  await page.goto(`${facts.forgetful}ui/actions`);
  await page.locator("#reload button").click();
  await page.locator("output.bad", { hasText: /pass on the Host/ }).waitFor();
  await page.locator("#match").fill("hello");
  await page.locator("button", { hasText: "dry run" }).click();
  await page.locator("output[for=match].bad", { hasText: /pass on the Host/ }).waitFor();
  say("a proxy that does not pass on the host");
});
