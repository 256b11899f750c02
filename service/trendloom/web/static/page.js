// What every page gains with scripts: `/` goes to the search box, filters answer at once and in place.
"use strict";
document.documentElement.classList.add("js");

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select, textarea, [contenteditable]");
  const box = document.querySelector("[data-slash]");
  if (event.key !== "/" || typing || !box || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  box.focus();
  box.select();
});

const isList = (url) => url.origin === location.origin && url.pathname === "/";

let asked = 0;
// Fetches a view of the list and puts it in the place of the one that is shown; any trouble is left to the browser.
async function show(url, keep) {
  const turn = ++asked;
  try {
    const answer = await fetch(url, { headers: { Accept: "text/html" } });
    if (!answer.ok) throw new Error(answer.status);
    const next = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (turn !== asked) return;
    const focus = document.activeElement && document.activeElement.closest(".filters");
    const name = focus && (document.activeElement.name || document.activeElement.textContent.trim().split(" ")[0]);
    document.title = next.title;
    document.querySelector("main").replaceWith(next.querySelector("main"));
    if (!keep) history.pushState({}, "", url);
    if (!name) return;
    const same = [...document.querySelectorAll(".filters a, .filters select, .filters input")].find(
      (e) => (e.name || e.textContent.trim().split(" ")[0]) === name);
    if (same) same.focus({ preventScroll: true });
  } catch {
    location.assign(url);
  }
}

function formAddress(form) {
  const pairs = [...new FormData(form)].filter(([, value]) => value);
  const query = new URLSearchParams(pairs).toString();
  return new URL(form.action.split("?")[0] + (query ? "?" + query : ""), location.href);
}

if (location.pathname === "/" && window.DOMParser) {
  document.addEventListener("click", (event) => {
    const link = event.target.closest(".filters nav a, .pages a, .empty a");
    if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const url = new URL(link.href);
    if (!isList(url)) return;
    event.preventDefault();
    show(url);
  });
  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-auto]");
    if (form) show(formAddress(form));
  });
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("form[data-auto]")) return;
    event.preventDefault();
    show(formAddress(event.target));
  });
  window.addEventListener("popstate", () => show(new URL(location.href), true));
}
