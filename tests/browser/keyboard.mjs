// On a phone and on a desk, by keyboard only: what has the focus is seen, keys work and do not act while one types. Facts: base, udp.
import assert from "node:assert/strict";
import { SIZES, assertInert, drive, facts, metric, parsed, say, send, until, views, watched } from "./common.mjs";

const { base } = facts;

await drive(async (browser) => {
  const faults = [];
  const names = Array.from({ length: 60 }, (_, at) => `family${at}.requests:1|c|#host:${"h".repeat(at)}x`);
  await send(names.join("\n"));
  await send("hello:1|c\nhello:1|g\nbroken\nfamily1.requests:1|g");
  await until("the lines are counted", async () => (await parsed()) >= 63);

  for (const [width, height] of [...SIZES, [320, 640]]) {
    const context = await browser.newContext({ viewport: { width, height }, reducedMotion: "reduce" });
    const page = await watched(context, faults);
    await page.goto(base);
    for (const view of await views(page)) {
      await page.goto(view);
      await assertInert(page, `${view} at ${width}`);
      const { left, right } = await page.locator("nav a[aria-current]").evaluate((link) => link.getBoundingClientRect().toJSON());
      assert.ok(left >= 0 && right <= width + 1, `the navigation shows ${view}`);
      // Tab visits everything, visibly and in order of the page.
      const visited = [];
      for (let step = 0; step < 40; step++) {
        await page.keyboard.press("Tab");
        const focus = await page.evaluate(() => {
          const element = document.activeElement;
          if (element === document.body) return null;
          const { left, right, top, bottom } = element.getBoundingClientRect();
          const { outlineStyle, outlineWidth } = getComputedStyle(element);
          const covering = document.elementFromPoint(Math.min(Math.max((left + right) / 2, 1), innerWidth - 2), Math.min(Math.max(top + 3, 1), innerHeight - 2));
          return {
            what: element.outerHTML.slice(0, 120),
            outlined: outlineStyle !== "none" && parseFloat(outlineWidth) >= 2,
            inside: right > 0 && left < innerWidth && bottom > 0 && top < innerHeight,
            covered: !element.contains(covering) && !covering?.closest("label") && !covering?.contains(element),
          };
        });
        if (!focus) break;
        visited.push(focus.what);
        assert.ok(focus.outlined && focus.inside && !focus.covered, `${view} at ${width}: ${JSON.stringify(focus)}`);
      }
      assert.ok(visited.length >= 15 && visited[0].includes("skip"), `${view}: ${visited.length} elements`);
    }
    say("focus", { width });

    // The link past the navigation.
    await page.goto(`${base}ui/series`);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement.id), "main");

    // Rows. The one that is picked is in the window, and not behind the head.
    const picked = () =>
      page.evaluate(() => {
        const row = document.querySelector("tr[data-picked]");
        const { top, bottom } = row.getBoundingClientRect();
        const head = document.querySelector(".top");
        const under = getComputedStyle(head).position === "sticky" ? head.getBoundingClientRect().bottom : 0;
        return { name: row.querySelector("th").textContent, seen: top >= under - 1 && bottom <= innerHeight + 1, focused: row.contains(document.activeElement) };
      });
    for (let step = 0; step < 30; step++) await page.keyboard.press("j");
    const down = await picked();
    for (let step = 0; step < 25; step++) {
      await page.keyboard.press("k");
      const { name, seen, focused } = await picked();
      assert.ok(seen && focused, `${name} at ${width}`);
    }
    assert.ok(down.seen && down.name !== (await picked()).name);
    await page.keyboard.press("Enter");
    await page.waitForURL(/family=/);
    say("rows", { width });

    // The box of keys, opened and closed by keys. Keys do nothing in it, nor while one types.
    await page.keyboard.press("?");
    assert.ok(await page.locator("#keys").isVisible());
    await assertInert(page, "keys");
    await page.keyboard.press("/");
    assert.notEqual(await page.evaluate(() => document.activeElement.id), "q");
    await page.keyboard.press("Escape");
    await page.locator("#keys").waitFor({ state: "hidden" });
    await page.keyboard.press("?");
    await page.locator("#keys button").focus();
    await page.keyboard.press("Enter");
    await page.locator("#keys").waitFor({ state: "hidden" });
    await page.keyboard.press("p");
    assert.equal(await page.locator("#pause").getAttribute("aria-pressed"), "true");
    await page.keyboard.press("/");
    await page.keyboard.type("/jkp?x");
    assert.equal(await page.locator("#q").inputValue(), "/jkp?x");
    assert.equal(await page.locator("#pause").getAttribute("aria-pressed"), "true");
    assert.ok(!(await page.locator("#keys").isVisible()));
    await page.keyboard.press("Escape");
    await page.keyboard.press("p");
    assert.equal(await page.locator("#pause").getAttribute("aria-pressed"), "false");
    say("keys", { width });

    // A question, typed.
    await page.keyboard.press("/");
    await page.keyboard.press("Control+a");
    await page.keyboard.type("hello:1|g");
    await page.keyboard.press("Enter");
    await page.locator("[data-verdict=conflict]").waitFor();

    // Lines.
    await page.goto(`${base}ui/tail`);
    await until("the stream begins", async () => (await metric("statsd_bridge_tail_viewers ")) === 1);
    await send(Array.from({ length: 50 }, (_, at) => `line${at}:1|c|#${"tag".repeat(40)}:${"v".repeat(90)}`).join("\n"));
    await page.locator("#tail tr", { hasText: "line49" }).waitFor();
    await assertInert(page, `tail at ${width}`);
    for (let step = 0; step < 3; step++) await page.keyboard.press("j");
    assert.ok((await picked()).focused);
    await page.keyboard.press("p");
    assert.equal(await page.locator("#tail-pause").getAttribute("aria-pressed"), "true");
    await context.close();
    await until("the viewer is gone", async () => (await metric("statsd_bridge_tail_viewers ")) === 0);
    say("tail", { width });
  }
  assert.deepEqual(faults, []);
});
