// Lines as they arrive: reads the stream of the bridge and shows its lines. Texts of senders become text nodes only.
"use strict";
(() => {
  const body = document.getElementById("tail");
  if (!body) return;
  const byId = (id) => document.getElementById(id);
  const [pause, counts, error, capture] = ["tail-pause", "tail-counts", "tail-error", "tail-text"].map(byId);
  const MOST = 300;
  let paused = false;
  let waiting = [];
  let lines = [];

  const cut = (text) => (text.length > 160 ? `${text.slice(0, 160)}… (${text.length} characters)` : text);
  const cell = (kind, name, text) => {
    const cell = document.createElement(kind);
    cell.className = name;
    if (kind === "th") cell.scope = "row";
    cell.textContent = cut(plainText(text));
    return cell;
  };
  const series = ({ family, labels, folded }) => {
    if (!family) return "";
    const parts = Object.entries(labels ?? {}).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
    const name = `${family}${parts.length ? `{${parts.join(",")}}` : ""}`;
    // There is no series with these labels: a limit replaced the value of one or of all of them.
    return folded ? `a series _overflow_ of ${family}, because of a limit: there is no ${name}` : name;
  };
  // A long line is not asked about: proxies limit the length of links.
  const asked = (line) => {
    if (line.length > 2000) return cell("th", "name", line);
    const [head, link] = [cell("th", "name", ""), document.createElement("a")];
    link.className = "asked";
    link.href = `ask?q=${encodeURIComponent(line.toWellFormed())}`;
    link.textContent = cut(plainText(line));
    head.append(link);
    return head;
  };
  const verdict = (line) => {
    const cell = document.createElement("td");
    const mark = { recorded: ["good", "✓"], rejected: ["bad", "✗"], partly_recorded: ["bad", "✗"] }[line.verdict] ?? ["warn", "!"];
    const reasons = line.rejected.map(({ reason }) => reason).join(", ");
    cell.className = `text ${mark[0]}`;
    cell.textContent = `${mark[1]} ${line.verdict.replace("_", " ")}${reasons ? `: ${reasons}` : ""}`;
    return cell;
  };
  const row = (line) => {
    const row = document.createElement("tr");
    const rule = line.rule ? `${line.rule.number} (${line.rule.position})` : "";
    const time = (line.time ?? "").replace(/^.*T/, "");
    row.append(asked(line.line), verdict(line), cell("td", "name", series(line)), cell("td", "text", rule), cell("td", "text", line.source), cell("td", "text", time));
    [...row.cells].forEach((cell, at) => at && (cell.dataset.head = body.dataset.heads.split("|")[at]));
    return row;
  };
  // What is shown is safe to read; what is copied or saved has the bytes that arrived.
  const showCapture = () => (capture.textContent = plainText(lines.map(({ line }) => line).join("\n")));
  const bytes = ({ line, line_base64: base64 }) => (base64 ? Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)) : line);
  const show = (fresh) => {
    if (paused) {
      waiting = [...waiting, ...fresh].slice(-MOST);
      return;
    }
    // Workers hand over their lines one after another: a line can be older than one that is shown.
    for (const line of fresh.slice(-MOST)) {
      let at = lines.length;
      while (at > 0 && lines[at - 1].time_ms > line.time_ms) at -= 1;
      lines.splice(at, 0, line);
      body.insertBefore(row(line), body.rows[lines.length - 1 - at] ?? null);
    }
    lines = lines.slice(-MOST);
    while (body.rows.length > MOST) body.lastElementChild.remove();
    if (capture.parentElement.open) showCapture();
  };
  const number = (value) => value.toLocaleString("en");
  const told = ({ arrived, unexamined, matched, shown, missed }) => {
    if (!arrived) return "No line arrived yet.";
    const parts = [`${number(shown)} of ${number(matched)} that match, of ${number(arrived)} lines that arrived, empty ones included`];
    if (missed) parts.push(`${number(missed)} that match are not shown, because there are too many`);
    if (unexamined) parts.push(`${number(unexamined)} (${Math.ceil((100 * unexamined) / arrived)} %) were not compared, because too many arrived`);
    return `${parts.join("; ")}.`;
  };
  const fail = (text) => {
    error.textContent = plainText(text);
    error.hidden = !text;
  };

  const watch = async () => {
    let wait = 2000;
    try {
      const asked = new URLSearchParams(location.search);
      for (const [name, value] of [...asked]) if (!value) asked.delete(name);
      asked.set("format", "json");
      const answer = await fetch(`${body.dataset.stream}?${asked}`, { cache: "no-store", credentials: "same-origin" });
      if (!answer.ok) {
        const text = await answer.text();
        let why = text;
        try { why = JSON.parse(text).error; } catch { /* The answer of a proxy is shown as it is. */ }
        // Another viewer may leave; a wrong filter stays wrong.
        wait = answer.status === 503 ? 2000 : 0;
        throw new Error(why);
      }
      fail("");
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let rest = ""; ; ) {
        const { done, value } = await reader.read();
        if (done) throw new Error("The bridge ended the stream.");
        const documents = (rest + value).split("\n");
        rest = documents.pop();
        const messages = documents.filter(Boolean).map((text) => JSON.parse(text));
        const fresh = messages.filter(({ line }) => line).map(({ line }) => line);
        if (fresh.length) show(fresh);
        const last = messages.findLast((message) => message.counts);
        if (last) counts.textContent = told(last.counts);
      }
    } catch (why) {
      fail(why.message);
    }
    if (wait) setTimeout(watch, wait);
  };

  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Resume" : "Pause";
    if (!paused) {
      const held = waiting;
      waiting = [];
      show(held);
    }
  });
  byId("tail-clear").addEventListener("click", () => {
    [lines, waiting] = [[], []];
    body.replaceChildren();
    showCapture();
  });
  capture.parentElement.addEventListener("toggle", showCapture);
  const copy = byId("tail-copy");
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(lines.map(({ line }) => line).join("\n"));
      copy.textContent = "Copied";
    } catch {
      // Over plain HTTP a browser has no clipboard: the text is selected, for the reader to copy.
      capture.parentElement.open = true;
      showCapture();
      getSelection().selectAllChildren(capture);
      copy.textContent = "Selected";
    }
    setTimeout(() => (copy.textContent = "Copy"), 2000);
  });
  byId("tail-save").addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(lines.flatMap((line) => [bytes(line), "\n"])));
    link.download = "lines.txt";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "p" && !event.ctrlKey && !event.altKey && !event.metaKey && !event.target.matches("input, select")) pause.click();
  });
  watch();
})();
