// All that the pages do beyond links and forms: they stay up to date, and the playground tries as you type.
"use strict";

const LOOK = 1000; // ms between two looks at what is live
const STILL = 250; // ms without a key before the playground tries
const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];

const offline = document.querySelector("[data-offline]");

/** The text of an answer of the console, null where there is nothing new; throws if it does not answer. */
async function ask(url, options) {
  const answer = await fetch(url, options);
  if (answer.status === 204) return null;
  if (!answer.ok) throw new Error(`the console answered ${answer.status}`);
  return { text: await answer.text(), version: answer.headers.get("X-Version") };
}

function tell(sentence) {
  offline.hidden = !sentence;
  if (offline.textContent !== sentence) offline.textContent = sentence;
}

/** Put the console's HTML in the place of what is there; focus stays on the same thing, and announced texts only change
 *  if they differ. */
function replace(target, html) {
  const focused = target.contains(document.activeElement) ? document.activeElement.id : "";
  const spoken = target.querySelector("[role=status]");
  const fresh = new DOMParser().parseFromString(html, "text/html").body;
  const next = fresh.querySelector("[role=status]");
  if (spoken && next) {
    if (spoken.textContent !== next.textContent) spoken.textContent = next.textContent;
    next.replaceWith(spoken);
  }
  const known = new Set([...target.querySelectorAll("a.open")].map((link) => link.id));
  if (known.size) {
    for (const link of fresh.querySelectorAll("a.open")) {
      if (!known.has(link.id)) link.closest("tr").classList.add("new");
    }
  }
  target.replaceChildren(...fresh.childNodes);
  if (focused) document.getElementById(focused)?.focus();
}

// What is live
const live = document.querySelector("[data-live]");
const liveSwitch = document.querySelector("[data-live-switch]");

async function look() {
  if (!document.hidden && (!liveSwitch || liveSwitch.checked)) {
    const url = new URL(live.dataset.live, location.href);
    url.searchParams.set("seen", live.dataset.version);
    try {
      const answer = await ask(url);
      tell("");
      if (answer) {
        replace(live, answer.text);
        live.dataset.version = answer.version;
      }
    } catch {
      tell("The console does not answer. What you see is as of before. Has it ended?");
    }
  }
  setTimeout(look, LOOK);
}
if (live) setTimeout(look, LOOK);

// Times, as they get older
function distance(at) {
  const seconds = Math.round((Date.now() - at) / 1000);
  const [unit, size] = UNITS.find(([, each]) => Math.abs(seconds) >= each) ?? UNITS.at(-1);
  const count = `${Math.floor(Math.abs(seconds) / size)} ${unit}`;
  return seconds >= 0 ? `${count} ago` : `in ${count}`;
}
setInterval(() => {
  for (const time of document.querySelectorAll("time[data-ago]")) {
    time.textContent = distance(Date.parse(time.dateTime));
  }
}, 5000);

// A choice is made without a button
for (const form of document.querySelectorAll("[data-filter]")) {
  form.addEventListener("change", (event) => {
    if (event.target.tagName === "SELECT") form.requestSubmit();
  });
}

// The playground
const playground = document.querySelector("[data-typed]");
if (playground) {
  const result = document.getElementById(playground.dataset.typed);
  const gutters = [...playground.querySelectorAll("[data-gutter]")].map((pre) => [
    pre,
    document.getElementById(pre.dataset.gutter),
  ]);

  const number = () => {
    const bad = new Set([...result.querySelectorAll("[data-flaw]")].map((flaw) => flaw.dataset.flaw));
    for (const [pre, text] of gutters) {
      const count = text.value.split("\n").length;
      pre.replaceChildren(
        ...Array.from({ length: count }, (_, index) => {
          const line = document.createElement("span");
          line.textContent = index + 1;
          line.classList.toggle("bad", bad.has(`${text.id}:${index + 1}`));
          return line;
        }),
      );
      pre.scrollTop = text.scrollTop;
    }
  };

  let waiting;
  let underWay = new AbortController();
  const attempt = async () => {
    underWay.abort();
    const mine = (underWay = new AbortController());
    try {
      const body = new URLSearchParams(new FormData(playground));
      const answer = await ask(playground.action, { method: "POST", body, signal: mine.signal });
      tell("");
      replace(result, answer.text);
      number();
    } catch {
      if (!mine.signal.aborted) tell("The console does not answer. What you see is as of before. Has it ended?");
    }
  };

  playground.addEventListener("input", () => {
    number();
    clearTimeout(waiting);
    waiting = setTimeout(attempt, STILL);
  });
  for (const [pre, text] of gutters) {
    text.addEventListener("scroll", () => (pre.scrollTop = text.scrollTop));
  }

  // The line of a flaw is a link: it leads into the text
  result.addEventListener("click", (event) => {
    const link = event.target.closest("[data-line]");
    if (!link) return;
    event.preventDefault();
    const text = document.getElementById(link.hash.slice(1));
    const lines = text.value.split("\n");
    const start = lines.slice(0, link.dataset.line - 1).join("\n").length + (link.dataset.line > 1 ? 1 : 0);
    text.focus();
    text.setSelectionRange(start, start + (lines[link.dataset.line - 1] ?? "").length);
    text.scrollTop = Math.max(0, (link.dataset.line - 5) * 20);
  });
  number();
}
