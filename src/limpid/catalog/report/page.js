"use strict";
// The page can be read without this: it adds sorting, filters, search, copying, and tips that appear at once.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const make = (name, attributes = {}, ...children) => {
    const one = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) one.setAttribute(key, value);
    one.append(...children);
    return one;
  };
  document.documentElement.classList.add("scripted");

  // Tables: a click on a heading sorts, another one turns the order round.
  for (const table of all("table.sortable")) {
    const heads = all("th", table);
    heads.forEach((head, place) => {
      const button = make("button", { type: "button" }, ...head.childNodes);
      head.replaceChildren(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        for (const other of heads) other.setAttribute("aria-sort", "none");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const key = (row) => row.cells[place].dataset.value ?? row.cells[place].textContent;
        const numeric = head.classList.contains("number");
        const body = table.tBodies[0];
        const compare = (a, b) => {
          const [one, other] = [key(a), key(b)];
          if (!one || !other) return !one - !other;
          const order = numeric ? Number(one) - Number(other) : one.localeCompare(other, undefined, { numeric: true });
          return down ? -order : order;
        };
        body.append(...[...body.rows].sort(compare));
      });
    });
  }

  // Filters: what belongs to another cohort or camera than the chosen one is dimmed, in galleries hidden.
  const chosen = { cohort: "", camera: "" };
  const kinds = Object.keys(chosen);
  const selects = {};
  const within = (own, which) => own === which || (own.endsWith("+") && Number(which) >= parseInt(own, 10));
  const apply = () => {
    for (const one of all(kinds.map((kind) => `[data-${kind}]`).join())) {
      const other = kinds.some((kind) => chosen[kind] && kind in one.dataset && !within(one.dataset[kind], chosen[kind]));
      if (one.matches(".triplet")) one.hidden = other;
      else if (!one.matches(".key, .pick")) one.classList.toggle("dim", other);
      if (one.matches(".key, .pick")) {
        const pressed = kinds.some((kind) => chosen[kind] && one.dataset[kind] === chosen[kind]);
        one.setAttribute("aria-pressed", pressed);
        if (one.matches(".pick")) one.closest("tr").classList.toggle("picked", pressed);
      }
    }
    for (const gallery of all(".gallery")) {
      const empty = all(".triplet", gallery).every((one) => one.hidden);
      let note = gallery.querySelector(".none");
      if (empty && !note) gallery.append((note = make("p", { class: "none" }, "No picture of this choice is shown here.")));
      if (note) note.hidden = !empty;
    }
    for (const kind of kinds) if (selects[kind]) selects[kind].value = chosen[kind];
  };
  const choose = (kind, which) => {
    chosen[kind] = chosen[kind] === which ? "" : which;
    apply();
  };
  const filters = document.getElementById("filters");
  for (const kind of kinds) {
    const names = new Map();
    for (const one of all(`.key[data-${kind}], .pick[data-${kind}]`))
      names.set(one.dataset[kind], one.dataset.name ?? one.textContent);
    if (names.size < 2) continue;
    const select = make("select", { id: `choose-${kind}` }, new Option(`all ${kind}s`, ""));
    for (const [which, name] of names) select.append(new Option(name, which));
    select.addEventListener("change", () => {
      chosen[kind] = select.value;
      apply();
    });
    selects[kind] = select;
    filters.append(make("div", {}, make("label", { for: select.id }, kind[0].toUpperCase() + kind.slice(1)), select));
  }
  for (const key of all(".key, .pick")) {
    const kind = kinds.find((one) => one in key.dataset);
    if (!kind) continue;
    key.setAttribute("aria-pressed", "false");
    key.addEventListener("click", () => choose(kind, key.dataset[kind]));
  }

  // Search: rows of the tables of files that hold the text.
  const searched = all("table[data-searched]");
  if (searched.length) {
    const box = make("input", { type: "search", id: "search", placeholder: "part of a name" });
    const told = make("span", { role: "status", class: "note" });
    box.addEventListener("input", () => {
      const wanted = box.value.trim().toLowerCase();
      let found = 0;
      for (const row of searched.flatMap((table) => [...table.tBodies[0].rows])) {
        row.hidden = !row.textContent.toLowerCase().includes(wanted);
        found += !row.hidden;
      }
      told.textContent = wanted ? `${found} listed files match` : "";
    });
    filters.append(make("div", {}, make("label", { for: box.id }, "Search the listed files"), box, told));
  }
  filters.hidden = !filters.children.length;

  // Commands can be copied where the browser allows it.
  if (navigator.clipboard)
    for (const line of all(".command")) {
      const button = make("button", { type: "button", "aria-label": "Copy the command" }, "Copy");
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(line.querySelector("code").textContent);
        button.textContent = "Copied";
        setTimeout(() => (button.textContent = "Copy"), 1500);
      });
      line.append(button);
    }

  // Tips: the title of a mark, at once and not after a second.
  const tip = make("div", { id: "tip", hidden: "" });
  document.body.append(tip);
  for (const title of all("svg title")) {
    title.parentNode.dataset.tip = title.textContent;
    title.parentNode.setAttribute("aria-label", title.textContent);
    title.remove();
  }
  document.addEventListener("pointermove", (event) => {
    const mark = event.target.closest?.("[data-tip]");
    tip.hidden = !mark;
    if (!mark) return;
    tip.textContent = mark.dataset.tip;
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = `${Math.min(event.clientX + 14, innerWidth - width - 8)}px`;
    tip.style.top = `${event.clientY - height - 10 < 4 ? event.clientY + 16 : event.clientY - height - 10}px`;
  });
  document.addEventListener("pointerleave", () => (tip.hidden = true));

  // The contents show where one is.
  const links = new Map(all("nav a").map((link) => [link.hash.slice(1), link]));
  const watch = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) links.get(entry.target.id)?.classList.toggle("here", entry.isIntersecting);
    },
    { rootMargin: "-25% 0px -70% 0px" },
  );
  for (const section of all("main > section")) watch.observe(section);
})();
