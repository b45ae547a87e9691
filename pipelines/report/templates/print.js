"use strict";
(() => {
  // On paper nothing can be opened.
  window.addEventListener("beforeprint", () => {
    for (const each of document.querySelectorAll("details:not([open])")) {
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
