"use strict";
// What a reader without scripts does not miss: the search box, copy buttons, and what depends on the time of day.
(() => {
  const all = (selector, inside = document) => Array.from(inside.querySelectorAll(selector));

  const now = Date.now();
  for (const it of all("[data-from]")) it.hidden = Date.parse(it.dataset.from) > now;
  for (const it of all("[data-until]")) it.hidden = Date.parse(it.dataset.until) <= now;

  // The search box: every word must be in the row, or in what its images mend.
  const form = document.querySelector("[role=search]");
  const box = document.getElementById("_q");
  const found = document.getElementById("_found");
  const isMany = document.body.classList.contains("many");
  let entries;
  const read = () => all(".list tbody tr").map((row) => {
    const section = document.getElementById(row.querySelector("a").hash.slice(1));
    const fixes = all(".fixes", section).map((it) => it.textContent);
    const cells = Array.from(row.cells, (it) => it.textContent);
    return { row, section, text: [...cells, ...fixes].join(" ").toLowerCase() };
  });
  const search = () => {
    entries ??= read();
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const { row, section, text } of entries) {
      const fits = words.every((word) => text.includes(word));
      row.hidden = !fits;
      if (!isMany) section.hidden = !fits;
      if (fits) count += 1;
    }
    found.textContent = words.length === 0 ? "" : count === 1 ? "1 extension found" : `${count} extensions found`;
  };
  if (all(".list tbody tr").length > 1) {
    form.hidden = false;
    box.addEventListener("input", search);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const fitting = all(".list tbody tr:not([hidden]) a");
      if (fitting.length === 1) fitting[0].click();
    });
    // A browser may have kept what was typed.
    if (box.value) search();
  }

  // Copy buttons, where the browser lets a page write to the clipboard.
  const addButtons = (inside) => {
    if (!navigator.clipboard || !inside) return;
    for (const command of all(".cmd:not(.ready)", inside)) {
      command.classList.add("ready");
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = "Copy";
      button.addEventListener("click", async () => {
        try {
          await navigator.clipboard.writeText(command.querySelector("code").textContent);
          button.textContent = "Copied";
        } catch {
          button.textContent = "Not allowed";
        }
        setTimeout(() => { button.textContent = "Copy"; }, 2000);
      });
      command.append(button);
    }
  };

  // Which extension is shown.
  const title = document.title;
  const shown = () => {
    const target = document.getElementById(location.hash.slice(1));
    const isExtension = target?.classList.contains("ext");
    document.title = isExtension ? `${target.id} – ${title}` : title;
    addButtons(isExtension ? target : null);
  };
  addEventListener("hashchange", shown);
  addButtons(isMany ? document.querySelector(".use") : document);
  shown();
})();
