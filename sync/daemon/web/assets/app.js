// Keeps the page new: events of the daemon say when to look again, what has
// changed is put in place, and ages and countdowns go on between. Focus, scroll,
// open details and what is typed stay. Without this file the page is the same,
// but stands still.
"use strict";

(() => {
  const root = document.documentElement;
  const texts = root.dataset;
  const settle = 300; // ms between an event and the look that it asks for, at least
  const spread = 500; // ms within which all open pages look
  const pause = 1000; // ms between two looks at least
  let skew = Date.now() - Date.parse(texts.now); // of this clock against the daemon's

  const fill = (form, ...values) => values.reduce((s, v) => s.replace("%s", v), form);

  // span is the server's page.span.
  function span(seconds, parts) {
    const sizes = [86400, 3600, 60, 1];
    const forms = texts.units.split("|");
    const out = [];
    let left = Math.round(seconds);
    for (let i = 0; i < sizes.length && out.length < parts; i++) {
      const n = Math.floor(left / sizes[i]);
      if (n > 0 || (sizes[i] === 1 && out.length === 0)) {
        out.push(fill(forms[i], n));
        left -= n * sizes[i];
      } else if (out.length > 0) {
        break;
      }
    }
    return out.join(" ");
  }

  function tick() {
    const now = Date.now() - skew;
    for (const t of document.querySelectorAll("time[data-tick]")) {
      const passed = (now - Date.parse(t.dateTime)) / 1000;
      const text = t.dataset.tick === "ago"
        ? (passed >= 1 ? fill(texts.ago, span(passed, 1)) : texts.justNow)
        : (passed <= -1 ? fill(texts.in, span(-passed, 2)) : texts.overNow);
      if (t.textContent !== text) {
        t.textContent = text;
      }
    }
  }

  const same = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || "") === (b.id || "");

  // morph makes a node like another and keeps all of it that is the same.
  function morph(old, next) {
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.data !== next.data) {
        old.data = next.data;
      }
      return;
    }
    if (old.isEqualNode(next) || "keep" in old.dataset) {
      return;
    }
    attributes(old, next);
    let at = old.firstChild;
    for (const child of [...next.childNodes]) {
      let found = at;
      while (found && !same(found, child)) {
        found = found.nextSibling;
      }
      if (!found || (found !== at && !child.id)) {
        old.insertBefore(child, at);
        continue;
      }
      while (at !== found) {
        at = drop(at);
      }
      morph(at, child);
      at = at.nextSibling;
    }
    while (at) {
      at = drop(at);
    }
  }

  function drop(node) {
    const next = node.nextSibling;
    node.remove();
    return next;
  }

  function attributes(old, next) {
    for (const name of old.getAttributeNames()) {
      if (!next.hasAttribute(name) && !(name === "open" && old.nodeName === "DETAILS")) {
        old.removeAttribute(name);
      }
    }
    for (const name of next.getAttributeNames()) {
      if (old.getAttribute(name) !== next.getAttribute(name)) {
        old.setAttribute(name, next.getAttribute(name));
      }
    }
  }

  let looking = false;
  let asked = false;

  async function look() {
    if (looking || document.hidden) {
      asked = true;
      return;
    }
    looking = true;
    asked = false;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
      show(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch {
      // The stream of events says that nobody answers.
    }
    setTimeout(() => {
      looking = false;
      if (asked) {
        look();
      }
    }, pause);
  }

  function show(next) {
    const main = next.getElementById("main");
    if (!main) {
      return;
    }
    const told = document.title;
    skew = Date.now() - Date.parse(next.documentElement.dataset.now);
    morph(document.getElementById("main"), main);
    morph(document.getElementById("foot"), next.getElementById("foot"));
    const icon = next.querySelector("link[rel=icon]").getAttribute("href");
    document.querySelector("link[rel=icon]").setAttribute("href", icon);
    document.title = next.title;
    if (told !== document.title) {
      say();
    }
    tick();
  }

  // say tells a screen reader of another state, and of nothing else.
  function say() {
    const state = document.getElementById("state");
    if (state) {
      document.getElementById("say").textContent = state.textContent + ". " + state.nextElementSibling.textContent;
    }
  }

  function connection(state) {
    const live = document.getElementById("live");
    live.dataset.state = state;
    live.textContent = live.dataset[state];
  }

  let events = null;

  function listen() {
    events?.close(); // never two
    events = new EventSource(texts.events);
    let waiting = 0;
    const news = () => {
      waiting ||= setTimeout(() => {
        waiting = 0;
        look();
      }, settle + spread * Math.random());
    };
    events.onopen = () => {
      if (document.getElementById("live").dataset.state) {
        news(); // something may have happened meanwhile
      }
      connection("live");
    };
    events.onerror = () => {
      const closed = events.readyState === EventSource.CLOSED;
      connection(closed ? "offline" : "reconnecting");
      if (closed) {
        setTimeout(listen, 5000 + 5000 * Math.random());
      }
    };
    events.addEventListener("status", news); // first of whatever there is to tell
  }

  async function copy(button) {
    const code = button.parentElement.querySelector("code");
    getSelection().selectAllChildren(code);
    try {
      await navigator.clipboard.writeText(code.textContent);
      const was = button.textContent;
      button.textContent = button.dataset.copied;
      setTimeout(() => { button.textContent = was; }, 2000);
    } catch {
      // It is selected, to be copied by hand.
    }
  }

  async function sync(form) {
    const said = form.querySelector("[role=status]");
    try {
      const answer = await fetch(form.action, { method: "POST", headers: { Accept: "application/json" } });
      said.textContent = answer.ok ? form.dataset.accepted : form.dataset.refused;
    } catch {
      said.textContent = form.dataset.refused;
    }
    setTimeout(() => { said.textContent = ""; }, 5000);
  }

  addEventListener("click", (e) => {
    const button = e.target.closest("[data-copy]");
    if (button) {
      copy(button);
    }
  });
  addEventListener("submit", (e) => {
    if (e.target.matches("[data-sync]")) {
      e.preventDefault();
      sync(e.target);
    }
  });
  addEventListener("pagehide", () => events.close());
  addEventListener("pageshow", (e) => e.persisted && listen());
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && asked) {
      look();
    }
  });

  root.classList.add("scripted");
  setInterval(tick, 1000);
  tick();
  listen();
})();
