// Drives the page as a reader does: a line that is sent, Ask, Tail, keys, a proposed rule, a deletion, every view. Facts: base, udp,
// mapping (the mapping file).
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { DEADLINE, SCHEMES, SIZES, answer, assertAccessible, assertInert, drive, facts, metric, parsed, say, send, until, views, watched } from "./common.mjs";

const { base, mapping } = facts;
const HOSTILE = "<script>document.title='hacked'</script>\"'><img src=x onerror=\"document.title='hacked'\">\u202e\u001b[31m\u200b";
const DEEP = ["ui/ask?q=shop_time", "ui/tail?name=shop.*&verdict=conflict", "ui/series?family=shop_time&label=region", "ui/series?search=shop"];

await drive(async (browser) => {
  const faults = [];
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await watched(context, faults);

  // Lines of all kinds, hostile ones among them.
  await send(["shop.pay.time:320|ms|#region:eu", "noise.a:1|c", "hello:1|c", "room:1|c|#id:1", "room:1|c|#id:2", "gone.gauge:1|g"].join("\n"));
  await send(["hello:1|g", "room:1|c|#id:3", "broken.line:x|c"].join("\n"));
  await send(["api.users.calls:1|c", "api.orders.calls:1|c", "api.items.calls:1|c", "api.login.calls:1|c"].join("\n"));
  await send(`hostile.${HOSTILE}:1|c|#user:${HOSTILE},${HOSTILE}:v`);
  await until("the lines are counted", async () => (await parsed()) >= 14);

  // A line that is sent is seen without a reload. The renewal is at most about a second later.
  await page.goto(`${base}ui/ask?q=seen.now`);
  assert.equal(await page.locator("[data-verdict]").getAttribute("data-verdict"), "never");
  await page.waitForTimeout(1000);
  const sent = Date.now();
  await send("seen.now:1|c");
  await page.locator("[data-verdict=arrives]").waitFor({ timeout: DEADLINE });
  say("a line is seen", { millis: Date.now() - sent });

  // Lines as they arrive, hostile ones among them; a pause holds them, and the filter is in the link.
  await page.goto(`${base}ui/tail`);
  await until("the stream begins", async () => (await metric("statsd_bridge_tail_viewers ")) === 1);
  const began = Date.now();
  await send(`tail.one:1|c|#a:b\nhello:1|g\nnoise.b:1|c\n${HOSTILE}:1|c`);
  await page.locator("#tail tr", { hasText: "tail.one:1|c|#a:b" }).waitFor();
  say("a line is in the tail", { millis: Date.now() - began });
  const row = (text) => page.locator("#tail tr", { hasText: text });
  assert.match(await row("tail.one").textContent(), /✓ recordedtail_one\{a="b"\}|✓ recordedtail\.one\{a="b"\}/);
  assert.match(await row("hello:1|g").textContent(), /✗ rejected: conflict/);
  assert.match(await row("noise.b").textContent(), /! dropped.*2 \(mapping\.yml:5:10\)/);
  assert.match(await row("<script>").first().textContent(), /\ufffd\ufffd\[31m\ufffd/);
  assert.equal(await row("tail.one").locator("a").getAttribute("href"), "ask?q=tail.one%3A1%7Cc%7C%23a%3Ab");
  // The counts come once a second.
  await page.locator("#tail-counts", { hasText: /that match, of \d+ lines that arrived, empty ones included/ }).waitFor();
  await page.keyboard.press("p");
  await send("tail.two:1|c");
  await until("the line is recorded", async () => (await answer("api/v1/ask?q=tail.two")).cards[0].verdict === "arrives");
  await page.waitForTimeout(500);
  assert.equal(await row("tail.two").count(), 0);
  await page.keyboard.press("p");
  await row("tail.two").waitFor();
  // What is saved has the bytes that arrived.
  const raw = Buffer.concat([Buffer.from("tail.bytes:1|c|#a:\u202e"), Buffer.from([0xff, 0xfe])]);
  await send(raw);
  await row("tail.bytes").waitFor();
  const [saved] = await Promise.all([page.waitForEvent("download"), page.locator("#tail-save").click()]);
  assert.equal(saved.suggestedFilename(), "lines.txt");
  const text = readFileSync(await saved.path());
  assert.ok(text.includes(raw) && text.includes("tail.two:1|c\n") && !text.includes("\ufffd"), text.toString());
  await page.locator("#tail-name").fill("tail.t*");
  await page.locator("#filter button").click();
  await page.waitForURL(/name=tail\.t/);
  await until("the filtered stream begins", async () => {
    await send("tail.one:1|c\ntail.three:1|c");
    return (await row("tail.three").count()) > 0;
  });
  assert.equal(await row("tail.one").count(), 0);
  say("tail");

  // A line that is older than one that is shown goes below it. Of a folded one, the series that there is not is named as such.
  const other = await watched(context, faults);
  const old = (name, seconds, more = {}) => JSON.stringify({ line: { line: `${name}:1|c`, verdict: "recorded", rejected: [], source: "udp a", time: `2026-01-01T00:00:0${seconds}Z`, time_ms: seconds * 1000, ...more } });
  const stream = [old("second", 2), old("third", 3), old("first", 1, { family: "first", labels: { user: "u9" }, folded: true })];
  await other.route("**/api/v1/tail?**", (route) => route.fulfill({ contentType: "application/x-ndjson", body: `${stream.join("\n")}\n` }));
  await other.goto(`${base}ui/tail`);
  await other.locator("#tail tr").nth(2).waitFor();
  assert.deepEqual([...new Set(await other.locator("#tail th").allTextContents())], ["third:1|c", "second:1|c", "first:1|c"]);
  assert.match(await other.locator("#tail tr", { hasText: "first" }).first().textContent(), /a series _overflow_ of first, because of a limit: there is no first\{user="u9"\}/);
  await other.close();
  say("order of the tail");

  // Reasons. A person types into the box at the top.
  await until("the gauge expires", async () => (await answer("api/v1/ask?q=gone.gauge")).cards[0].verdict === "expired");
  for (const [question, verdict, says] of [
    // docs/live-page.md, "Why is my metric missing?", has these.
    ["broken.line", "malformed", /malformed_value.*broken\.line:x\|c from udp 127\.0\.0\.1.*the value is not a finite decimal number/is],
    ["hello", "conflict", /hello is a counter already.*hello:1\|c from udp 127\.0\.0\.1.*Send the type that was first, counter \(\|c\).*another name by a rule/s],
    ["room", "limit", /label_value_limit.*Raise values_per_label of limits in the rule room at mapping\.yml:11:10 above 2.*Limit values_per_label of the label id, 2, set by values_per_label of limits in the rule room.*: 1 samples rejected.*for example 3/s],
    ["noise.a", "dropped", /A rule drops noise\.a.*noise\.\* at mapping\.yml:5:10/s],
    ["gone.gauge", "expired", /no sample came for the ttl.*longer ttl.*gone\.gauge at mapping\.yml:8:10/s],
    ["helo", "never", /It never arrived.*Check host and port.*> \/dev\/udp\/.*Names that did arrive, and are near.*hello/s],
    // The same in other words, and other answers.
    ["shop.pay.time:1|ms|#region:eu", "arrives", /part="pay",region="eu"/],
    ["shop_time_bucket", "arrives", /shop\.pay\.time/],
    ["shop.pya.time", "never", /it would be shop_time\{part="pya"\}.*shop\.pay\.time/s],
    ["hello:1|g", "conflict", /hello is a counter already/],
    ["room:1|c|#id:9", "limit", /values_per_label/],
    ['room{id="9"}', "limit", /values_per_label/],
    ["room:1|c|#id:1,x:y", "other_labels", /exactly these labels/],
    ["broken.line:x|c", "malformed", /write 1, -1\.5 or 1e3/],
    ["hello:-1|c", "rejected", /illegal_negative_counter/],
    ["gone_gauge", "expired", /ttl/],
    ["_e{1,1}:a|b", "no_sample", /event or service check/],
  ]) {
    await page.keyboard.press("/");
    await page.locator("#q").fill(question);
    await page.keyboard.press("Enter");
    await page.waitForURL((url) => url.searchParams.get("q") === question);
    const cards = await page.locator("[data-verdict]").evaluateAll((cards) => cards.map((card) => [card.dataset.verdict, card.innerText]));
    const card = cards.find(([found]) => found === verdict);
    assert.ok(card, `${question}: ${JSON.stringify(cards)}`);
    assert.match(card[1], says, question);
    say("ask", { question, verdict });
  }
  await page.keyboard.press("/");
  await page.locator("#q").fill("helo");
  await page.keyboard.press("Enter");
  await page.locator("a.tag", { hasText: "hello" }).first().click();
  await page.waitForURL(/q=hello$/);

  // Keys: rows, and the box of keys.
  await page.goto(`${base}ui/series`);
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  assert.equal(await page.locator("tr[data-picked]").count(), 1);
  await page.keyboard.press("k");
  await page.keyboard.press("Enter");
  await page.waitForURL(/family=/);
  await page.keyboard.press("?");
  assert.ok(await page.locator("#keys").isVisible());
  await page.keyboard.press("Escape");
  await page.locator("#keys").waitFor({ state: "hidden" });
  say("keys");

  // A proposed rule, saved and loaded, maps its names.
  await page.goto(`${base}ui/rules`);
  const rule = await page.locator("pre[id^=rule-]", { hasText: "api.*.calls" }).textContent();
  writeFileSync(mapping, readFileSync(mapping, "utf8") + rule);
  await page.goto(`${base}ui/actions`);
  await page.locator("#reload button").click();
  await page.locator("output", { hasText: "were loaded" }).waitFor({ timeout: DEADLINE });
  await send("api.users.calls:1|c\napi.new.calls:1|c");
  await until("the rule maps", async () => (await answer("api/v1/rules")).rules.find((known) => known.match === "api.*.calls")?.samples === 2);
  assert.ok(!(await answer("api/v1/unmapped")).names.some(({ name }) => /^api\..*\.calls$/.test(name)));
  say("a proposed rule maps its names");

  // Deletion asks first.
  await page.goto(`${base}ui/actions`);
  assert.ok(await page.locator("#really").isDisabled());
  await page.locator("#match").fill('room{id="1"}');
  await page.locator("button", { hasText: "dry run" }).click();
  await page.locator("output", { hasText: "Would delete 1 series" }).waitFor({ timeout: DEADLINE });
  assert.equal((await answer("api/v1/series?family=room")).family.series, 2);
  await page.locator("#really").click();
  await page.locator("output", { hasText: "Deleted 1 series" }).waitFor({ timeout: DEADLINE });
  assert.equal((await answer("api/v1/series?family=room")).family.series, 1);
  say("deletion with a dry run");

  // Every view, in both widths and schemes: nothing is wider than the window, axe finds nothing serious.
  for (const [width, height] of SIZES) {
    for (const colorScheme of SCHEMES) {
      // Only axe needs to get past the policy; what the policy stops is seen by `page` and by the pages without it.
      for (const bypassCSP of [false, true]) {
        const context = await browser.newContext({ viewport: { width, height }, colorScheme, bypassCSP, reducedMotion: "reduce" });
        const page = await watched(context, faults);
        await page.goto(base);
        for (const view of [...(await views(page)), ...DEEP.map((path) => base + path)]) {
          await page.goto(view);
          await assertInert(page, `${view} at ${width}`);
          if (bypassCSP) await assertAccessible(page, view);
        }
        await context.close();
      }
      say("views", { width, colorScheme });
    }
  }
  assert.deepEqual(faults, []);
  say("no errors");
});
