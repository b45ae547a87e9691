"use strict";
(() => {
  // Sorting: a column's heading becomes a button; rows without a value stay last either way.
  const value = (row, column, kind) => {
    const text = row.cells[column].dataset.value;
    if (text === undefined) return null;
    return kind === "text" ? text : Number(text);
  };
  const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b) : a - b);

  const sort = (table, heading) => {
    const column = heading.cellIndex;
    const first = heading.dataset.better === "higher" ? "descending" : "ascending";
    const other = first === "ascending" ? "descending" : "ascending";
    const order = heading.getAttribute("aria-sort") === first ? other : first;
    for (const each of table.tHead.rows[0].cells) each.setAttribute("aria-sort", "none");
    heading.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    const rows = [...table.tBodies[0].rows].sort((above, below) => {
      const [a, b] = [above, below].map((row) => value(row, column, heading.dataset.kind));
      if (a === null || b === null) return (a === null) - (b === null);
      return sign * compare(a, b);
    });
    table.tBodies[0].append(...rows);
  };

  for (const table of document.querySelectorAll("table.leaderboard")) {
    for (const heading of table.tHead.rows[0].cells) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      heading.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => sort(table, heading));
    }
  }

  // One section at a time, named by the address; without one, or with an unknown one, the overview.
  const sections = [...document.querySelectorAll("main > section")];
  const title = document.title;
  document.documentElement.classList.add("single");
  const show = (moved) => {
    const key = decodeURIComponent(location.hash.slice(1));
    if (key === "content") return;
    const shown = sections.find((section) => section.id === key) || sections[0];
    for (const section of sections) section.classList.toggle("away", section !== shown);
    for (const link of document.querySelectorAll("nav a")) {
      if (link.hash === `#${shown.id}`) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    document.title = shown === sections[0] ? title : `${shown.dataset.title} · ${title}`;
    if (moved) {
      shown.querySelector("[tabindex='-1']").focus({ preventScroll: true });
      window.scrollTo(0, 0);
    }
  };
  window.addEventListener("hashchange", () => show(true));
  show(false);

  // On paper nothing can be opened.
  const closed = () => document.querySelectorAll("details:not([open])");
  window.addEventListener("beforeprint", () => {
    for (const each of closed()) {
      each.open = true;
      each.dataset.printed = "";
    }
  });
  window.addEventListener("afterprint", () => {
    for (const each of document.querySelectorAll("details[data-printed]")) {
      each.open = false;
      delete each.dataset.printed;
    }
  });
})();
