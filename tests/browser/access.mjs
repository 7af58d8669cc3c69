// TLS and users: who may only read sees no actions, an administrator does, and other websites reach neither. Facts: base (an address
// for readers), admin (the address for administrators), udp, user, password, authorization, host (a name that resolves to loopback).
import assert from "node:assert/strict";
import http from "node:http";
import { assertInert, drive, facts, metric, say, send, until, views, watched } from "./common.mjs";

const credentials = { username: facts.user, password: facts.password };
const secure = { ignoreHTTPSErrors: true, viewport: { width: 1280, height: 900 } };
const metricAt = (name) => metric(`statsd_bridge_http_requests_rejected_total{reason="${name}"}`);

await drive(
  async (browser) => {
    const faults = [];
    await send("kept.series:1|c\nother:1|c\nother:1|g");
    await until("the lines are counted", async () => (await metric("statsd_bridge_lines_total")) >= 3);

    // Without a user, no path answers with more than 401: neither pages, nor their script, nor data.
    for (const path of ["", "ui/ask", "ui/page.js", "ui/page.css", "api/v1/overview", "api/v1/tail", "ui/actions", "ui/nothing"]) {
      for (const authorization of ["", "Basic " + btoa("reader:wrong"), "Bearer x"]) {
        for (const base of [facts.base, facts.admin]) {
          const response = await fetch(new URL(path, base), { headers: { authorization } });
          assert.equal(response.status, 401, path);
          assert.match(response.headers.get("www-authenticate"), /^Basic/);
        }
      }
    }
    const wrong = await browser.newContext({ ...secure, httpCredentials: { username: facts.user, password: "wrong" } });
    const rejected = await wrong.newPage();
    const status = await rejected.goto(facts.base).then((response) => response.status(), (error) => error.message);
    assert.ok(status === 401 || /ERR_INVALID_AUTH_CREDENTIALS/.test(status), `${status}`);
    await wrong.close();
    say("without a user");

    // A reader: every view renews itself, and none acts.
    const readers = await browser.newContext({ ...secure, httpCredentials: credentials });
    const reader = await watched(readers, faults);
    await reader.goto(facts.base);
    for (const view of await views(reader)) {
      const response = await reader.goto(view);
      assert.equal(response.status(), 200, view);
      await assertInert(reader, view);
      assert.equal(await reader.locator("form[method=post]").count(), 0, view);
    }
    await reader.goto(new URL("ui/actions", facts.base).href);
    assert.equal(await reader.getByText("at this address. Start the bridge with").count(), 2);
    await reader.goto(new URL("ui/tail", facts.base).href);
    assert.equal(await reader.locator("#tail").count(), 0);
    await reader.goto(new URL("ui/ask?q=seen.later", facts.base).href);
    await send("seen.later:1|c");
    await reader.locator("[data-verdict=arrives]").waitFor();
    const answers = await reader.evaluate(async () => {
      const post = async (path, body) => (await fetch(path, { method: "POST", body })).status;
      const form = () => new URLSearchParams({ "match[]": "kept_series", dry_run: "false" });
      return [await post("../api/v1/series/delete", form()), await post("../-/reload"), await post("../-/quit"), (await fetch("../api/v1/tail")).status];
    });
    assert.deepEqual(answers, [404, 404, 404, 404]);
    assert.ok(faults.every((fault) => /status of 404/.test(fault)), `${faults}`);
    faults.length = 0;
    say("a reader");

    // An administrator: deletion, reload and lines.
    const admins = await browser.newContext({ ...secure, httpCredentials: credentials });
    const admin = await watched(admins, faults);
    await admin.goto(new URL("ui/actions", facts.admin).href);
    await admin.locator("#match").fill("other");
    await admin.locator("button", { hasText: "dry run" }).click();
    await admin.locator("output", { hasText: "Would delete 1 series" }).waitFor();
    await admin.locator("#really").click();
    await admin.locator("output", { hasText: "Deleted 1 series" }).waitFor();
    await admin.locator("#reload button").click();
    await admin.locator("output", { hasText: "were loaded" }).waitFor();
    await admin.goto(new URL("ui/tail", facts.admin).href);
    await until("the line is in the tail", async () => {
      await send("over.tls:1|c");
      return admin.locator("#tail tr", { hasText: "over.tls" }).count();
    });
    say("an administrator");

    // Another website, in the administrator's browser, which has the password.
    const before = await metricAt("cross_site");
    const site = http.createServer((request, response) => {
      request.resume();
      response.setHeader("content-type", "text/html");
      const target = `${facts.admin}api/v1/series/delete`;
      const form = (more) => `<form method=post action="${target}" ${more}><input name="match[]" value="kept_series"><input name=dry_run value=false><button>go</button></form>`;
      response.end(
        {
          "/form": form(""),
          "/plain": form("enctype=text/plain"),
          "/reload": `<form method=post action="${facts.admin}-/reload"><button>go</button></form>`,
          "/quit": `<form method=post action="${facts.admin}-/quit"><button>go</button></form>`,
          "/null": `<iframe sandbox="allow-forms" srcdoc='${form("").replaceAll("'", "&#39;")}'></iframe>`,
          "/frame": `<iframe src="${facts.admin}ui/actions"></iframe>`,
        }[request.url] ?? "<p>site",
      );
    });
    await new Promise((done) => site.listen(0, "127.0.0.1", done));
    const foreign = await admins.newPage();
    const home = `http://localhost:${site.address().port}`;
    for (const path of ["/form", "/plain", "/reload", "/quit"]) {
      await foreign.goto(home + path);
      const [response] = await Promise.all([foreign.waitForResponse((response) => response.url().startsWith(facts.admin)), foreign.locator("button").click()]);
      assert.equal(response.status(), 403, path);
    }
    await foreign.goto(`${home}/null`);
    const [response] = await Promise.all([
      foreign.waitForResponse((response) => response.url().startsWith(facts.admin)),
      foreign.frameLocator("iframe").locator("button").click(),
    ]);
    // A sandboxed frame has no password; with one it would be rejected too.
    assert.ok([401, 403].includes(response.status()), "an origin of null");
    await foreign.goto(home);
    const read = await foreign.evaluate(async (base) => {
      const text = async (path, more) => fetch(base + path, { credentials: "include", ...more }).then((response) => response.text(), () => "kept from it");
      const body = () => new URLSearchParams({ "match[]": "kept_series", dry_run: "false" });
      await text("api/v1/series/delete", { method: "POST", mode: "no-cors", body: body() });
      return [await text("api/v1/series"), await text("ui/actions"), await text("metrics"), await text("api/v1/series/delete", { method: "POST", body: body() })];
    }, facts.admin);
    assert.deepEqual(read, Array(4).fill("kept from it"));
    await foreign.goto(`${home}/frame`);
    const framed = await until("the frame is loaded", async () => foreign.frames()[1]);
    assert.equal(await framed.locator("#delete").count(), 0, "no website frames the page");
    const rejections = (await metricAt("cross_site")) - before;
    assert.ok(rejections >= 4, `${rejections} requests of another website`);
    assert.equal((await (await fetch(`${facts.base}api/v1/series?family=kept_series`, { headers: { authorization: facts.authorization } })).json()).data.family.series, 1);
    say("another website");

    // A name of another website that resolves to the bridge (DNS rebinding).
    const rebound = await foreign.goto(facts.admin.replace("127.0.0.1", facts.host));
    assert.equal(rebound.status(), 403);
    assert.match(await rebound.text(), /Host is not allowed/);
    assert.deepEqual(faults, []);
    say("a foreign host");
    site.close();
  },
  [`--host-resolver-rules=MAP ${facts.host} 127.0.0.1`],
);
