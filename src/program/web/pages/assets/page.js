// What the pages do beyond HTML: they renew themselves, take keys, copy, and ask before they delete. Without it they still read.
"use strict";

// Characters that control, are invisible or reorder text are shown as such, as in the pages of the server.
const plainText = (text) => String(text ?? "").replace(/(?!\n)[\p{Cc}\p{Cf}\u115f\u1160\u180b-\u180f\u2028\u2029\u2060-\u206f\u3164\uffa0\ufe00-\ufe0f\u{e0000}-\u{e0fff}]/gu, "\ufffd");

(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  for (const element of all("[data-script]")) element.hidden = false;

  // On a phone the navigation is one line: the view that is open is in sight.
  const open = $("nav a[aria-current]");
  if (open) $("nav").scrollLeft = open.offsetLeft - ($("nav").clientWidth - open.offsetWidth) / 2;

  // ---- renewing: the same page is fetched again, and only what differs is replaced, so that focus and selection stay ----

  // What a reader changed on the page, and the server does not know.
  const kept = new Set(["open", "data-picked", "tabindex"]);
  const merge = (here, fresh) => {
    if (here.nodeType !== fresh.nodeType || here.nodeName !== fresh.nodeName) return here.replaceWith(document.importNode(fresh, true));
    if (here.nodeType !== Node.ELEMENT_NODE) {
      if (here.data !== fresh.data) here.data = fresh.data;
      return;
    }
    for (const { name } of [...here.attributes]) if (!fresh.hasAttribute(name) && !kept.has(name)) here.removeAttribute(name);
    for (const { name, value } of fresh.attributes) if (!kept.has(name) && here.getAttribute(name) !== value) here.setAttribute(name, value);
    const [old, young] = [[...here.childNodes], [...fresh.childNodes]];
    old.slice(young.length).forEach((node) => node.remove());
    young.forEach((node, at) => (at < old.length ? merge(old[at], node) : here.append(document.importNode(node, true))));
  };
  const live = $("#live");
  const pause = $("#pause");
  const note = $("#renewed");
  let paused = false;
  const renew = async () => {
    const began = performance.now();
    let wait = 750;
    if (!paused && !document.hidden) {
      try {
        const answer = await fetch(location.href, { cache: "no-store", credentials: "same-origin" });
        if (!answer.ok && answer.status !== 400) throw new Error(`the bridge answered ${answer.status}`);
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const id of ["live", "state"]) {
          const [here, fresh] = [document.getElementById(id), page.getElementById(id)];
          if (here && fresh && !paused) merge(here, fresh);
        }
        note.textContent = "";
        // A page that takes long to make is renewed less often: at most a tenth of the time goes into it.
        wait = Math.max(wait, 9 * (performance.now() - began));
      } catch (error) {
        note.textContent = `Not renewed: ${error.message}`;
        wait = 3000;
      }
    }
    setTimeout(renew, wait);
  };
  if (live && pause && !live.hasAttribute("data-still")) {
    pause.addEventListener("click", () => {
      paused = !paused;
      pause.setAttribute("aria-pressed", String(paused));
      pause.textContent = paused ? "Resume" : "Pause";
    });
    setTimeout(renew, 750);
  } else if (pause) {
    pause.hidden = true;
  }

  // ---- keys ----

  const help = $("#keys");
  const rows = () => all("#live tbody tr").filter((row) => row.offsetParent !== null);
  const pick = (step) => {
    const list = rows();
    if (!list.length) return;
    const now = list.findIndex((row) => row.hasAttribute("data-picked"));
    const next = list[Math.min(list.length - 1, Math.max(0, now < 0 ? 0 : now + step))];
    list.forEach((row) => row.removeAttribute("data-picked"));
    next.setAttribute("data-picked", "");
    const target = $("a", next) || next;
    if (target === next) next.tabIndex = -1;
    target.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "Escape" && event.target.matches("input")) return event.target.blur();
    if (event.target.matches("input, textarea, select")) return;
    const act = { "/": () => ($("#search") ?? $("#q")).focus(), j: () => pick(1), k: () => pick(-1), "?": () => help.showModal(), p: () => pause.click() }[event.key];
    if (!act || help.open) return;
    event.preventDefault();
    act();
  });
  $("#help")?.addEventListener("click", () => help.showModal());

  // ---- copying ----

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const text = document.getElementById(button.dataset.copy)?.textContent ?? "";
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      // Over plain HTTP a browser has no clipboard: the text is selected, for the reader to copy.
      getSelection().selectAllChildren(document.getElementById(button.dataset.copy));
      button.textContent = "Selected";
    }
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });

  // ---- actions: the answer is shown on the page; a deletion needs the dry run of the same selector first ----

  const send = async (form, more) => {
    const out = $("output", form.parentElement);
    out.textContent = "…";
    try {
      const body = new URLSearchParams(new FormData(form));
      for (const [name, value] of Object.entries(more)) body.set(name, value);
      const answer = await fetch(form.action, { method: "POST", body, credentials: "same-origin" });
      const text = await answer.text();
      return { ok: answer.ok, text, out };
    } catch (error) {
      return { ok: false, text: error.message, out };
    }
  };
  const reload = $("#reload");
  reload?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { ok, text, out } = await send(reload, {});
    out.className = ok ? "good" : "bad";
    out.textContent = ok ? "The mapping files were loaded." : plainText(text);
  });
  const remove = $("#delete");
  const really = $("#really");
  let counted = null;
  const selector = () => $("[name='match[]']", remove).value;
  remove?.addEventListener("input", () => (really.disabled = selector() !== counted));
  if (really) really.disabled = true;
  remove?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const dry = event.submitter !== really;
    const asked = selector();
    const { ok, text, out } = await send(remove, { dry_run: String(dry) });
    let data = {};
    try { data = JSON.parse(text); } catch { data.error = text; }
    out.className = ok ? "" : "bad";
    if (!ok) {
      out.textContent = plainText(data.error);
      return;
    }
    const { series, examples } = data.data;
    const count = `${series} series${series && examples.length < series ? ", for example" : ""}`;
    out.textContent = plainText([dry ? `Would delete ${count}` : `Deleted ${series} series`, ...(dry ? examples : [])].join("\n"));
    counted = dry && series ? asked : null;
    really.disabled = counted === null || selector() !== counted;
  });
})();
