"use strict";

(() => {
  const theme = document.getElementById("theme");
  const themes = ["auto", "light", "dark"];
  theme.hidden = false;
  theme.addEventListener("click", () => {
    const now = document.documentElement.dataset.theme || "auto";
    const next = themes[(themes.indexOf(now) + 1) % themes.length];
    document.documentElement.dataset.theme = next;
    theme.textContent = `Theme: ${next}`;
  });

  const table = document.getElementById("table");
  if (!table) return;

  const body = table.tBodies[0];
  const controls = document.getElementById("controls");
  const filter = document.getElementById("filter");
  const rule = document.getElementById("rule");
  const boxes = [...controls.querySelectorAll("input[name=severity]")];
  const group = document.getElementById("group");
  const clear = document.getElementById("clear");
  const status = document.getElementById("status");
  const heads = [...table.tHead.querySelectorAll("th[data-sort]")];

  const text = (row, cell) => row.cells[cell].textContent.trim();
  const rows = [...body.rows].map((row, place) => ({
    row,
    place,
    severity: Number(row.dataset.rank),
    label: row.dataset.severity,
    rule: row.dataset.rule,
    group: row.dataset.key,
    // the cell holds name, marks, prefix and id; the name leads
    key: text(row, 2),
    // never used sorts as the oldest of all
    used: row.dataset.used === "" ? -Infinity : Number(row.dataset.used),
    evidence: text(row, 4),
    action: text(row, 5),
    words: row.textContent.toLowerCase(),
  }));
  const words = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
  const descendingFirst = new Set(["severity", "used"]);
  const directions = {
    severity: { ascending: "least severe first", descending: "worst first" },
    used: { ascending: "longest idle first", descending: "latest use first" },
  };
  let sorted = { by: "severity", direction: "descending" };

  const compare = (a, b) => {
    const [x, y] = [a[sorted.by], b[sorted.by]];
    const order = typeof x === "string" ? words.compare(x, y) : Math.sign(x - y) || 0;
    return (sorted.direction === "ascending" ? order : -order) || a.place - b.place;
  };

  const plural = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

  const heading = (members) => {
    const row = document.createElement("tr");
    row.className = "group";
    row.setAttribute("role", "row");
    const cell = document.createElement("th");
    cell.colSpan = heads.length;
    cell.scope = "rowgroup";
    cell.setAttribute("role", "rowheader");
    const name = members[0].row.cells[2].querySelector(".name").cloneNode(true);
    const number = document.createElement("span");
    number.className = "ago";
    number.textContent = plural(members.length, "finding");
    cell.append(name, number);
    row.append(cell);
    return row;
  };

  const arrange = () => {
    const ordered = [...rows].sort(compare);
    if (group.getAttribute("aria-pressed") !== "true") {
      body.replaceChildren(...ordered.map((each) => each.row));
      return 0;
    }
    const groups = new Map();
    for (const each of ordered) {
      if (each.row.hidden) continue;
      if (!groups.has(each.group)) groups.set(each.group, []);
      groups.get(each.group).push(each);
    }
    const hidden = ordered.filter((each) => each.row.hidden).map((each) => each.row);
    const shown = [...groups.values()].flatMap((members) => [heading(members), ...members.map((each) => each.row)]);
    body.replaceChildren(...shown, ...hidden);
    return groups.size;
  };

  const update = () => {
    const wanted = filter.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const severities = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    let shown = 0;
    for (const each of rows) {
      const fits =
        severities.has(each.label) &&
        (!rule.value || each.rule === rule.value) &&
        wanted.every((word) => each.words.includes(word));
      each.row.hidden = !fits;
      shown += fits;
    }
    const groups = arrange();
    for (const head of heads) {
      if (head.dataset.sort === sorted.by) head.setAttribute("aria-sort", sorted.direction);
      else head.removeAttribute("aria-sort");
    }
    clear.disabled = shown === rows.length && !wanted.length && !rule.value;
    const by = heads.find((head) => head.dataset.sort === sorted.by).textContent.toLowerCase();
    const way = directions[sorted.by]?.[sorted.direction] ?? (sorted.direction === "ascending" ? "A to Z" : "Z to A");
    const parts = [
      shown ? `Showing ${shown.toLocaleString("en")} of ${plural(rows.length, "finding")}${table.dataset.cut ? " on this page" : ""}` : "No finding matches the filters",
      `sorted by ${by}, ${way}`,
    ];
    if (groups) parts.push(`grouped by key: ${plural(groups, "group")}`);
    status.textContent = `${parts.join("; ")}.`;
  };

  const reset = () => {
    filter.value = "";
    rule.value = "";
    for (const box of boxes) box.checked = true;
  };

  for (const head of heads) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => {
      const by = head.dataset.sort;
      const first = descendingFirst.has(by) ? "descending" : "ascending";
      const other = first === "descending" ? "ascending" : "descending";
      sorted = { by, direction: sorted.by === by && sorted.direction === first ? other : first };
      update();
    });
    head.replaceChildren(button);
  }
  filter.addEventListener("input", update);
  controls.addEventListener("change", update);
  group.addEventListener("click", () => {
    group.setAttribute("aria-pressed", String(group.getAttribute("aria-pressed") !== "true"));
    update();
  });
  clear.addEventListener("click", () => {
    reset();
    update();
    filter.focus();
  });

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-severity], a[data-rule]");
    if (!link) return;
    reset();
    if (link.dataset.rule) rule.value = link.dataset.rule;
    if (link.dataset.severity) for (const box of boxes) box.checked = box.value === link.dataset.severity;
    update();
  });

  // a link to a finding must arrive, even where a filter hides it
  const arrive = () => {
    const target = document.getElementById(location.hash.slice(1));
    if (!target?.hidden) return;
    reset();
    update();
    target.scrollIntoView();
  };
  addEventListener("hashchange", arrive);

  controls.hidden = false;
  update();
})();
