// Takes the pictures of docs/live-page.md: five minutes of a shop with a few mistakes, the same each time but for times, memory and CPU.
// Facts: base, udp, push (a port to answer on), folder, names (of the pictures: `page-VIEW-WIDTH-SCHEME.png`).
import dgram from "node:dgram";
import { execFileSync } from "node:child_process";
import http from "node:http";
import { ask, drive, facts, say } from "./common.mjs";

const SECONDS = 300;
const PATHS = {
  overview: "",
  ask: "ui/ask?q=shop.pay.time",
  missing: `ui/ask?q=${encodeURIComponent("queue.depth:1|c")}`,
  never: "ui/ask?q=shop.pay.tme",
  tail: "ui/tail",
  series: "ui/series",
  family: "ui/series?family=shop_request_time&label=region",
  rejected: "ui/rejected",
  rules: "ui/rules",
  cardinality: "ui/cardinality",
  senders: "ui/senders",
  scrapes: "ui/scrapes",
  push: "ui/push",
  events: "ui/events",
  configuration: "ui/configuration",
  actions: "ui/actions",
};
const HEIGHTS = { 1280: 900, 390: 844 };

// A random number from 0 to 1, the same in each run (mulberry32).
let state = 7;
const random = () => {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
};
const pick = (list) => list[Math.floor(random() * list.length)];
const digits = (length) => Array.from({ length }, () => Math.floor(random() * 16).toString(16)).join("");
const uuid = () => `${digits(8)}-${digits(4)}-4${digits(3)}-8${digits(3)}-${digits(12)}`;

// Three senders of their own addresses.
const sockets = await Promise.all(
  [2, 3, 4].map(
    (last) =>
      new Promise((done) => {
        const socket = dgram.createSocket("udp4");
        socket.bind({ address: `127.0.0.${last}`, port: 0 }, () => done(socket));
      }),
  ),
);
const sendFrom = (socket, lines) => new Promise((done) => socket.send(lines.join("\n"), facts.udp, "127.0.0.1", done));

const MISTAKES = ["queue.depth:1|c", "orders:many|c", "debug.cache:1|c"];

// Few lines, so that a picture of them has all verdicts.
let isQuiet = false;

async function second(number) {
  const busy = isQuiet ? 5 : 30 + Math.round(18 * Math.sin(number / 40)) + (number > 200 && number < 230 ? 60 : 0);
  for (let part = 0; part < 5; part++) {
    const [shop, api] = [[], []];
    for (let at = 0; at < busy / 5; at++) {
      const region = pick(["eu", "us", "asia"]);
      shop.push(`shop.${pick(["pay", "cart", "search"])}.time:${Math.floor(20 + random() * 300)}|ms|#region:${region}`);
      api.push(`api.${pick(["users", "orders", "items", "login"])}.calls:1|c|#region:${region}`);
    }
    api.push(`sessions:1|c|#user:${uuid()}`);
    shop.push(`queue.depth:${Math.floor(random() * 50)}|g|#queue:${pick(["mail", "invoices"])}`);
    await sendFrom(sockets[0], shop);
    await sendFrom(sockets[1], api);
    if (isQuiet) await sendFrom(sockets[2], MISTAKES);
    await new Promise((done) => setTimeout(done, 190));
  }
  if (number === 3) await sendFrom(sockets[2], ["nightly.duration:312|g", "_e{6,17}:Deploy|shop 4.2 is live.|t:success|#team:shop"]);
  if (number % 5 === 0) await sendFrom(sockets[2], MISTAKES);
  if (number % 15 === 0) await ask("metrics");
}

await drive(async (browser) => {
  const target = http.createServer((request, response) => {
    request.resume();
    request.on("end", () => response.writeHead(204).end());
  });
  await new Promise((done) => target.listen(facts.push, "127.0.0.1", done));
  let number = 0;
  for (; number < SECONDS; number++) await second(number);
  // Senders do not stop for the pictures.
  let ends = false;
  const traffic = (async () => {
    while (!ends) await second(number++);
  })();

  for (const name of facts.names) {
    const [, view, width, colorScheme] = name.match(/^page-([a-z]+)-(\d+)-(light|dark)\.png$/);
    const size = { width: Number(width), height: HEIGHTS[width] };
    const context = await browser.newContext({ viewport: size, colorScheme, reducedMotion: "reduce" });
    const page = await context.newPage();
    isQuiet = view === "tail";
    await page.goto(facts.base + PATHS[view]);
    if (isQuiet) {
      // Half a second of the traffic.
      await page.locator("#tail tr", { hasText: "debug.cache" }).nth(2).waitFor();
      await page.keyboard.press("p");
    }
    const end = await page.locator(".frame").evaluate((frame) => Math.ceil(frame.getBoundingClientRect().bottom));
    await page.setViewportSize({ ...size, height: Math.min(size.height, Math.max(end, 480)) });
    await page.screenshot({ path: `${facts.folder}/${name}` });
    await context.close();
    say("picture", { name });
  }
  ends = true;
  await traffic;
  facts.names.forEach((name) => shrink(`${facts.folder}/${name}`));
  sockets.forEach((socket) => socket.close());
  target.close();
});

// 256 colours are enough for a page. Without the programs, the files are larger.
function shrink(path) {
  for (const [program, args] of [["pngquant", ["--force", "--strip", "--speed", "1", "--ext", ".png", "--", path]], ["zopflipng", ["-y", path, path]]]) {
    try {
      execFileSync(program, args, { stdio: "ignore" });
    } catch {
      say("not made smaller", { program });
    }
  }
}
