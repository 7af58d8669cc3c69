// Hostile names, values, senders, rules, answers of push targets and queries, in every view. Facts: base, udp, push (a port to answer
// on), mapping (the mapping file), socket (of Unix datagrams).
import assert from "node:assert/strict";
import { appendFileSync } from "node:fs";
import http from "node:http";
import { DEADLINE, SIZES, ask, assertInert, answer, drive, facts, metric, renewed, say, send, until, views, watched } from "./common.mjs";

const ACT = "document.title='hacked'";
const TEXTS = [
  `<script>${ACT}</script>`,
  `"'><img src=x onerror="${ACT}">`,
  `</title></code></pre></td></table></main><h1 onclick=${ACT}>out</h1>`,
  `<svg/onload=${ACT}><iframe srcdoc='<script>parent.${ACT}</script>'>`,
  "<!-- ]]> <style>*{display:none}</style>",
  "&lt;b&gt;&#x3c;img&#62;&amp;&quot;&nbsp",
  "\u202e\u2066abc\u2069\u200f\u061c",
  "\u200b\u200d\ufeff\u2060\u00ad\u180b\u180e\u{e0041}",
  "\u001b[31m\u0007\u0008\r\u0085\u009b31m\u007f",
  "a\u0000b",
  `javascript:${ACT}`,
  `javascript&colon;${ACT}`,
  "data:text/html,<script>1</script>",
  "//evil.example/x",
  "https://evil.example/?q=<b>",
  "../../../etc/passwd",
  "..%2f..%2fui%2factions",
  "%00%0a%ff%zz%",
  "a=b&c=d?e;f",
  "${7*7}{{7*7}}$1\\1",
  "\\\\u003cscript\\\\ \\\" \\n",
  "' OR 1=1 -- `id`",
  "__proto__",
  "constructor",
  "live",
  "Z\u0338\u0322\u035f".repeat(120),
  "W".repeat(400),
  "漢字🎉é",
  "x".repeat(8000),
];
// In a name, these end the name.
const named = (text) => text.replace(/[:|\n]/g, "_");
const LINES = TEXTS.flatMap((text) => [
  `${named(text)}:1|c`,
  `of.${named(text)}.x:1|g`,
  `values:1|c|#user:${text.replace(/[,|\n]/g, "_")}`,
  `keys:1|c|#${named(text).replaceAll(",", "_")}:v,${text.replace(/[,|\n]/g, "_")}`,
  `sets:${named(text)}|s`,
  // Two types of one name.
  `${named(text)}:1|ms`,
  `broken.${named(text)}:${named(text)}|c`,
  `kinds:1|${text.replaceAll("\n", "")}`,
  text,
  `fields:1|c|c:${text}|${text}`,
  `_e{${Buffer.byteLength(text)},${Buffer.byteLength(text)}}:${text}|${text}|h:${text}|k:${text}|s:${text}|#${text}:${text}`,
  `_sc|${named(text)}|0|h:${named(text)}|#${named(text)}|m:${text}`,
]);
const QUERIES = [
  "ui/series/..%2f",
  "ui/series/..%2f..%2f..%2fetc%2fpasswd",
  "ui/..%5c..%5cmetrics",
  "ui/series%00",
  `ui/${encodeURIComponent(TEXTS[0])}`,
  "ui/series?search=%ff%fe",
  "ui/series?family=%",
  "ui/series?family=%zz",
  "ui/series?nonsense=%3Cscript%3E",
  `ui/series?search=a${"&search=b".repeat(40)}`,
  `ui/series?search=a${"&search=b".repeat(20)}`,
  `ui/series?search=${"a".repeat(9000)}`,
  `ui/series?family=${"%3C".repeat(5000)}`,
  "ui/series?family=values&label=user&value=%E2%80%AE",
  "ui/series?family=__proto__&label=constructor&value=toString",
  "ui/ask?q=%00%1b%5b31m",
  `ui/ask?q=${"q".repeat(9000)}`,
  `ui/ask?q=${"%E2%80%AE".repeat(900)}`,
  "ui/ask?q=a&q=%3Cscript%3E",
  "ui/ask?q=%0a%0d%0a:1|c",
  "ui/tail?verdict=%3Cscript%3E",
  "ui/tail?rule=%22%3E%3Cimg%20src%3Dx%3E",
  "ui/tail?name=%ff",
  `ui/tail?label=${"l".repeat(9000)}`,
  "ui/page.js?v=%3Cscript%3E",
  "ui/events?limit=-1",
  "ui/senders?limit=1e9",
  "ui/cardinality?limit=%F0%9F%8E%89",
  "?q=%3Cscript%3E",
  "?%ff",
];

await drive(async (browser) => {
  const faults = [];
  // Answers of a push target are foreign texts too.
  const target = http.createServer((request, response) => {
    request.resume();
    response.writeHead(400, { "content-type": "text/html" });
    response.end(TEXTS.slice(0, 9).join(" "));
  });
  await new Promise((done) => target.listen(facts.push, "127.0.0.1", done));

  const lines = await metric("statsd_bridge_lines_total");
  for (const line of LINES) {
    await send(line);
    // A flood would be lost at the socket.
    if (line.length > 4000) await new Promise((done) => setTimeout(done, 5));
  }
  // Most texts have no line break; one that has makes two lines.
  await until("the lines are counted", async () => (await metric("statsd_bridge_lines_total")) - lines >= LINES.length);
  await until("the push target answered", async () => (await answer("api/v1/push")).targets.some((target) => target.last_answer?.status === 400));
  const families = (await answer("api/v1/series")).families.map(({ name }) => name);
  assert.ok(families.some((name) => name.includes("<script>")), "names are kept as sent");
  say("hostile lines", { lines: LINES.length, families: families.length });

  for (const [width, height] of SIZES) {
    const context = await browser.newContext({ viewport: { width, height } });
    const page = await watched(context, faults);
    await page.goto(facts.base);
    const all = await views(page);
    assert.ok(all.length >= 12, `${all}`);
    const of = (name) => all.find((url) => url.endsWith(name));
    const deep = ["family=values&label=user", "family=keys", "search=%3C"].map((query) => `${of("ui/series")}?${query}`);
    for (const url of [...all, ...deep]) {
      await page.goto(url);
      await assertInert(page, `${url} at ${width}`);
      // What a renewal puts into the page is inert too.
      if (await page.locator("#live:not([data-still])").count()) {
        await renewed(page);
        await assertInert(page, `${url} at ${width}, renewed`);
      }
      say("view", { url, width });
    }

    // Every link on Series leads to its family, whatever its name.
    await page.goto(of("ui/series"));
    const links = await page.locator("#live tbody th a").evaluateAll((links) => links.map((link) => [link.href, link.textContent]));
    assert.ok(links.length >= 20, `${links.length} links`);
    for (const [link, name] of width === 390 ? links.slice(0, 5) : links) {
      await page.goto(link);
      assert.equal(await page.locator("h1").textContent(), name, link);
      assert.equal(await page.locator("main dl.facts").count(), 1, `${name} is not found`);
      await assertInert(page, link);
    }
    say("links", { links: links.length, width });

    // Questions about every text.
    for (const text of TEXTS) {
      for (const question of [text, `${named(text)}:1|c`, `x{a=${JSON.stringify(text)}}`, `_e{1,1}:${text}|x`]) {
        await page.goto(`${of("ui/ask")}?q=${encodeURIComponent(question)}`);
        await assertInert(page, `a question about ${question.slice(0, 60)}`);
        if (width !== 1280) break;
      }
    }
    say("questions", { width });

    // The tail shows each line as text.
    await page.goto(of("ui/tail"));
    await until("the stream begins", async () => (await metric("statsd_bridge_tail_viewers ")) === 1);
    for (const line of LINES) {
      await send(line);
      await new Promise((done) => setTimeout(done, 3));
    }
    await send("the.last:1|c");
    await page.locator("#tail tr", { hasText: "the.last:1|c" }).waitFor();
    assert.ok((await page.locator("#tail tr").count()) >= 200);
    await page.locator("details summary").click();
    await assertInert(page, `tail at ${width}`);
    say("tail", { width });
    await page.goto("about:blank");
    await until("the viewer is gone", async () => (await metric("statsd_bridge_tail_viewers ")) === 0);
    await context.close();
  }

  // Answers of actions: a dry run names series, a failed reload quotes the file.
  const context = await browser.newContext({ viewport: { width: 390, height: 844 } });
  const page = await watched(context, faults);
  await page.goto(new URL("ui/actions", facts.base).href);
  await page.locator("#match").fill('{__name__=~".+"}');
  await page.locator("button", { hasText: "dry run" }).click();
  await page.locator("output[for=match]", { hasText: /Would delete|match|selector/i }).waitFor();
  await assertInert(page, "a dry run");
  await page.locator("#match").fill("values");
  await page.locator("button", { hasText: "dry run" }).click();
  await page.locator("output[for=match]", { hasText: "Would delete" }).waitFor();
  await assertInert(page, "a dry run of hostile values");
  assert.deepEqual(faults.filter((fault) => !/status of 400/.test(fault)), []);
  faults.length = 0;
  appendFileSync(facts.mapping, `- match: [${TEXTS[0]}\u202e, "${"w".repeat(300)}"]\n  ${TEXTS[1]}: 1\n`);
  await page.locator("#reload button").click();
  await page.locator("output.bad").waitFor();
  await assertInert(page, "a failed reload");
  assert.ok(faults.every((fault) => /status of 500/.test(fault)), `${faults}`);
  faults.length = 0;
  say("actions");

  // Hostile URLs: an error is a page with the policy, or plain text that no browser takes for a page.
  for (const query of QUERIES) {
    const response = await ask(query);
    const [type, text] = [response.headers.get("content-type"), await response.text()];
    assert.ok([200, 400, 404, 414, 431].includes(response.status), `${query}: ${response.status}`);
    if (type.startsWith("text/html")) assert.match(response.headers.get("content-security-policy"), /default-src 'none'/, query);
    else assert.equal(response.headers.get("x-content-type-options"), "nosniff", query);
    await page.goto(new URL(query, facts.base).href);
    if (type.startsWith("text/html")) await assertInert(page, query.slice(0, 80));
    assert.ok(text.length < 1 << 20, query);
    say("query", { query: query.slice(0, 60), status: response.status });
  }
  // The browser itself reports answers that are errors.
  assert.deepEqual(faults.filter((fault) => !/^console: Failed to load resource: the server responded with a status of 4/.test(fault)), []);

  // JSON stays JSON, and no browser takes it for a page.
  for (const name of ["overview", "series", "rejections", "rules", "cardinality", "sources", "scrapes", "push", "events", "unmapped", "proposals", "conflicts", `ask?q=${encodeURIComponent(TEXTS[0])}`]) {
    const response = await ask(`api/v1/${name}`);
    assert.equal(response.headers.get("content-type"), "application/json", name);
    assert.equal(response.headers.get("x-content-type-options"), "nosniff", name);
    const text = await response.text();
    JSON.parse(text);
    assert.ok(text.length < 1 << 20, `${name}: ${text.length}`);
  }
  say("json", { deadline: DEADLINE });
  target.close();
});
