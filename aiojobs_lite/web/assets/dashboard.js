// What the dashboard does beyond its forms and links, which work without it: it refreshes open pages (by htmx), says
// whether it does, copies text, and moves by keys.
"use strict";

(() => {
  const state = document.getElementById("live-state");
  const region = () => document.getElementById("live");

  function say(kind, text) {
    if (!state) return;
    state.hidden = false;
    state.dataset.state = kind;
    if (state.textContent !== text) state.textContent = text;
  }

  // A refresh would take away what a person is doing: a selection of rows or of text, or a field.
  function isBusy() {
    const live = region();
    if (live.querySelector("input:checked")) return true;
    const active = document.activeElement;
    if (live.contains(active) && active.matches("input:not([type=checkbox]), textarea, select")) return true;
    const selection = window.getSelection();
    return Boolean(selection && !selection.isCollapsed && live.contains(selection.anchorNode));
  }

  function isOfRegion(event) {
    return event.target === region();
  }

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (!isOfRegion(event)) return;
    if (document.hidden) event.preventDefault();
    else if (isBusy()) {
      event.preventDefault();
      say("waits", "Paused");
    }
  });

  // What was opened, and where tables were scrolled to, stays over a refresh.
  let kept = null;
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (!isOfRegion(event)) return;
    const live = region();
    kept = {
      open: new Map([...live.querySelectorAll("details[id]")].map((one) => [one.id, one.open])),
      scrolled: [...live.querySelectorAll(".scroll, pre")].map((one) => [one.scrollLeft, one.scrollTop]),
    };
  });
  document.addEventListener("htmx:afterSwap", () => {
    if (kept === null || !region()) return;
    const live = region();
    kept.open.forEach((open, id) => {
      const found = document.getElementById(id);
      if (found) found.open = open;
    });
    [...live.querySelectorAll(".scroll, pre")].forEach((one, place) => {
      if (kept.scrolled[place]) [one.scrollLeft, one.scrollTop] = kept.scrolled[place];
    });
    kept = null;
    prepare();
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.successful) say("live", "Live");
  });
  ["htmx:responseError", "htmx:sendError", "htmx:timeout"].forEach((name) => {
    document.addEventListener(name, () => say("lost", "No answer; trying again"));
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && region() && window.htmx) window.htmx.trigger(region(), "again");
  });

  document.addEventListener("change", (event) => {
    if (!event.target.matches(".many input[type=checkbox]")) return;
    const chosen = document.querySelectorAll('.many input[name="id"]:checked').length;
    const words = document.querySelector("[data-selected]");
    if (words) words.textContent = chosen ? `${chosen} selected, or` : "Select jobs, or";
  });

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = "Copied";
  });

  // Keys: / finds, j and k move through the rows, x selects one, g and a letter go to a page.
  let wentWith = 0;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input:not([type=checkbox]), textarea, select")) return;
    const links = [...document.querySelectorAll(".jobs .id a")];
    const here = links.indexOf(document.activeElement);
    if (Date.now() - wentWith < 1000) {
      wentWith = 0;
      const pages = [...document.querySelectorAll(".top nav a")];
      const page = pages.find((one) => one.textContent.trim().toLowerCase().startsWith(event.key));
      if (page) page.click();
    } else if (event.key === "g") wentWith = Date.now();
    else if (event.key === "/") {
      event.preventDefault();
      document.getElementById("find").focus();
    } else if ((event.key === "j" || event.key === "k") && links.length) {
      links[Math.min(Math.max(here + (event.key === "j" ? 1 : -1), 0), links.length - 1)].focus();
    } else if (event.key === "x" && here >= 0) {
      const box = document.activeElement.closest("tr").querySelector("input[type=checkbox]");
      if (box) box.click();
    }
  });

  function prepare() {
    if (navigator.clipboard) document.querySelectorAll("[data-copy]").forEach((one) => (one.hidden = false));
  }
  prepare();
  if (region()) say("live", "Live");
})();
