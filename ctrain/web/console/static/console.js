// Pages work without this. With it they update by themselves, and confirmations open as dialogs.

const main = document.getElementById("main");
const said = document.getElementById("said");
const light = document.getElementById("live");
const SLOW_MS = 60_000; // ages grow also while nothing happens
const PAUSE_MS = 5_000; // between two fetches of a page of a fleet in which something happens all the time

let fetching = false;
let again = false;
let fetchedAt = -PAUSE_MS;
let awaited = null;

function isBusy(part) {
  if (part.querySelector("dialog[open]")) return true;
  const focused = document.activeElement;
  return part.contains(focused) && focused.matches("input:not([type=hidden]), textarea, select");
}

function keepOpen(from, to) {
  for (const one of from.querySelectorAll("details[id][open]")) to.querySelector(`#${CSS.escape(one.id)}`)?.setAttribute("open", "");
  if (from.matches("details[open]")) to.setAttribute("open", "");
}

// Where the focus is, in words that find the same place in the new page.
function placeOf(element) {
  if (!element || !main.contains(element) || element === main) return null;
  if (element.id) return `#${CSS.escape(element.id)}`;
  const owner = element.closest("[id]");
  const href = element.getAttribute("href");
  const inner = href ? `a[href="${CSS.escape(href)}"]` : element.matches("summary") ? "summary" : null;
  return owner && inner ? `#${CSS.escape(owner.id)} ${inner}` : inner;
}

function swap(next) {
  const focus = placeOf(document.activeElement);
  const scrolled = [...main.querySelectorAll("[id] .scroll, pre.log")].map((one) => [one, one.scrollLeft, one.scrollTop]);
  const news = [...next.children];
  if (news.length === main.children.length && news.every((one, at) => one.id === main.children[at].id)) {
    news.forEach((one, at) => swapPart(main.children[at], one));
  } else if (!isBusy(main)) {
    keepOpen(main, next);
    main.replaceChildren(...news);
  }
  for (const [one, left, top] of scrolled) if (one.isConnected) one.scrollTo(left, top);
  if (focus && !main.contains(document.activeElement)) main.querySelector(focus)?.focus({ preventScroll: true });
}

function swapPart(old, fresh) {
  keepOpen(old, fresh);
  if (old.isEqualNode(fresh) || isBusy(old)) return;
  const told = plain(old) !== plain(fresh);
  const scroll = [...old.querySelectorAll(".scroll, pre")].map((one) => [one.scrollLeft, one.scrollTop]);
  old.replaceWith(fresh);
  [...fresh.querySelectorAll(".scroll, pre")].forEach((one, at) => scroll[at] && one.scrollTo(...scroll[at]));
  if (told && fresh.matches(".panel, .notice")) fresh.classList.add("changed");
}

// Without the ages, which change by themselves.
function plain(element) {
  const copy = element.cloneNode(true);
  for (const one of copy.querySelectorAll(".age, time")) one.remove();
  return copy.textContent;
}

async function refresh() {
  if (fetching) { again = true; return; }
  fetching = true;
  fetchedAt = performance.now();
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
    if (answer.redirected && new URL(answer.url).pathname === "/login") { location.assign(answer.url); return; }
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const next = page.getElementById("main");
    if (!next || !next.hasAttribute("data-live")) return;
    const summary = next.dataset.summary;
    if (summary && summary !== main.dataset.summary) said.textContent = summary;
    main.dataset.summary = summary;
    swap(next);
    document.title = page.title;
  } catch { /* the next event tries again */ } finally {
    fetching = false;
    if (again) { again = false; soon(); }
  }
}

// At once after a time of silence, else when the pause is over.
function soon() {
  awaited ??= setTimeout(() => { awaited = null; refresh(); }, Math.max(0, fetchedAt + PAUSE_MS - performance.now()));
}

function shine(away) {
  light.hidden = false;
  light.textContent = away ? "away" : "live";
  light.classList.toggle("away", away);
}

if (main.hasAttribute("data-live")) {
  const { policy } = main.dataset; // of which alone the page tells; empty for all
  const stream = new EventSource(policy ? `/events?${new URLSearchParams({ policy })}` : "/events");
  stream.addEventListener("open", () => { shine(false); });
  stream.addEventListener("error", () => { shine(true); });
  stream.addEventListener("away", () => { shine(true); });
  stream.addEventListener("change", () => { shine(false); soon(); });
  setInterval(() => { if (!document.hidden) refresh(); }, SLOW_MS);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
  addEventListener("pagehide", () => stream.close());
}

async function openDialog(link) {
  const answer = await fetch(link.href, { headers: { Accept: "text/html" } });
  const confirm = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("confirm");
  if (!confirm) { location.assign(link.href); return; }
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-labelledby", "dialog-title");
  confirm.querySelector("h1").id = "dialog-title";
  dialog.append(confirm);
  document.body.append(dialog);
  dialog.addEventListener("close", () => { dialog.remove(); if (link.isConnected) link.focus(); });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-close]")) { event.preventDefault(); dialog.close(); }
  });
  dialog.showModal();
  confirm.querySelector("h1").focus();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-dialog]");
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  openDialog(link).catch(() => location.assign(link.href));
});

// The end of a log is what happened last.
for (const log of document.querySelectorAll("pre.log")) log.scrollTop = log.scrollHeight;

// The choices narrow at once; typing waits for Enter, as without a script.
for (const select of document.querySelectorAll(".filter select")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}
