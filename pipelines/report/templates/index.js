"use strict";
(() => {
  const form = document.querySelector("form.filters");
  if (!form) return;
  const tiles = [...document.querySelectorAll(".gallery li")];

  // The pictures are in the file once: rows show those of the tiles.
  const tileOf = new Map(tiles.map((tile) => [tile.dataset.key, tile]));
  for (const row of document.querySelectorAll(".leaderboard tbody tr")) {
    const picture = tileOf.get(row.dataset.key).querySelector("img");
    const small = picture ? picture.cloneNode() : document.createElement("span");
    small.alt = "";
    small.className = picture ? `${picture.className} mini` : "mini";
    row.querySelector(".who").prepend(small);
  }

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

  // Filtering: every word must be somewhere, one of the families, all of the capabilities. The address keeps
  // the choice, so that it can be passed on and the way back from a system leads to it.
  const output = form.querySelector("output");
  const all = form.querySelector("[type=reset]");
  const none = document.querySelector(".none");

  const counted = (number) => `${number} system${number === 1 ? "" : "s"}`;

  const unfolded = (section, open) => {
    const table = section.querySelector("table");
    const few = [...table.tHead.rows[0].cells].filter((each) => each.matches(".few:not([hidden])")).length;
    const button = section.querySelector(".unfold");
    table.classList.toggle("folded", !open);
    button.hidden = !few;
    button.setAttribute("aria-expanded", String(open));
    const columns = few === 1 ? "the column" : `the ${few} columns`;
    button.textContent = `${open ? "Hide" : "Show"} ${columns} in which most systems have no value`;
  };
  for (const button of document.querySelectorAll(".unfold")) {
    const section = button.closest("section");
    button.addEventListener("click", () => unfolded(section, button.getAttribute("aria-expanded") !== "true"));
  }

  const filter = () => {
    const chosen = new FormData(form);
    const words = chosen.get("words").toLowerCase().split(/\s+/).filter(Boolean);
    const families = chosen.getAll("family");
    const capabilities = chosen.getAll("capability");
    const shown = new Set();
    for (const tile of tiles) {
      const { key, family, capability, words: text } = tile.dataset;
      const offered = capability.split(" ");
      const fits = words.every((word) => text.includes(word) || offered.includes(word))
        && (!families.length || families.includes(family))
        && capabilities.every((each) => offered.includes(each));
      tile.hidden = !fits;
      if (fits) shown.add(key);
    }
    for (const section of document.querySelectorAll("section.data")) {
      const rows = [...section.querySelectorAll("tbody tr")];
      for (const row of rows) row.hidden = !shown.has(row.dataset.key);
      // A column that none of those shown has a value in only takes room; one that few have is folded away.
      const seen = rows.filter((row) => !row.hidden);
      section.hidden = !seen.length;
      section.querySelector("h2 small").textContent = counted(seen.length);
      const table = section.querySelector("table");
      [...table.tHead.rows[0].cells].forEach((_, column) => {
        const having = seen.filter((row) => row.cells[column].dataset.value !== undefined).length;
        const empty = column > 0 && having === 0;
        for (const row of table.rows) {
          row.cells[column].hidden = empty;
          row.cells[column].classList.toggle("few", column > 0 && 2 * having < seen.length);
        }
      });
      unfolded(section, section.querySelector(".unfold").getAttribute("aria-expanded") === "true");
      for (const point of section.querySelectorAll("svg [data-key]")) {
        point.toggleAttribute("hidden", !shown.has(point.dataset.key));
      }
    }
    const some = shown.size < tiles.length;
    output.textContent = some ? `${shown.size} of ${counted(tiles.length)}` : counted(tiles.length);
    all.hidden = !(words.length || families.length || capabilities.length);
    none.hidden = shown.size > 0;
    const query = new URLSearchParams([...chosen].filter(([, text]) => text)).toString();
    history.replaceState(null, "", `${location.pathname}${query ? `?${query}` : ""}${location.hash}`);
  };

  for (const [name, text] of new URLSearchParams(location.search)) {
    const field = form.elements.namedItem(name);
    if (name === "words") form.elements.words.value = text;
    else for (const each of field?.forEach ? field : [field]) if (each?.value === text) each.checked = true;
  }
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", filter);
  form.addEventListener("reset", () => setTimeout(filter));
  window.addEventListener("pageshow", filter);
  filter();
})();
