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

  // the rules are open in the file, for those who run no script, and on paper
  const rules = [...document.querySelectorAll("details.rule")];
  const unfold = document.getElementById("unfold");
  const fold = (open) => {
    for (const each of rules) each.open = open;
    unfold.textContent = open ? "Close all rules" : "Open all rules";
  };
  const unfolded = () => rules.every((each) => each.open);
  const reveal = () => {
    const target = document.getElementById(location.hash.slice(1));
    if (rules.includes(target)) target.open = true;
  };
  let before = [];
  fold(false);
  reveal();
  unfold.hidden = false;
  unfold.addEventListener("click", () => fold(!unfolded()));
  addEventListener("hashchange", reveal);
  addEventListener("beforeprint", () => {
    before = rules.filter((each) => !each.open);
    fold(true);
  });
  addEventListener("afterprint", () => {
    for (const each of before) each.open = false;
  });
  document.addEventListener("click", (event) => {
    // a second click on the same link changes no hash
    if (event.target.closest("a")?.hash === location.hash) reveal();
  });

  const table = document.getElementById("table");
  if (!table) return;

  const body = table.tBodies[0];
  const controls = document.getElementById("controls");
  const filter = document.getElementById("filter");
  const rule = document.getElementById("rule");
  const owner = document.getElementById("owner");
  const boxes = [...controls.querySelectorAll("input[name=severity]")];
  const groupings = [...controls.querySelectorAll("input[name=group]")];
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
    groups: { key: row.dataset.key, owner: row.dataset.owner },
    owner: row.dataset.owner,
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

  const grouping = () => groupings.find((each) => each.checked).value;

  // the name alone does not tell a key from its namesakes
  const title = (cell, by, twins) => {
    const owner = cell.querySelector(".owner bdi");
    if (by === "owner") return [owner ?? "no owner"];
    const prefix = cell.querySelector(".prefix");
    return [cell.querySelector(".name"), prefix, twins ? cell.querySelector(".id") : null].filter(Boolean);
  };

  const heading = (parts) => {
    const row = document.createElement("tr");
    row.className = "group";
    row.setAttribute("role", "row");
    const cell = document.createElement("th");
    cell.colSpan = heads.length;
    cell.scope = "rowgroup";
    cell.setAttribute("role", "rowheader");
    const [name, ...codes] = parts.map((part) => part.cloneNode?.(true) ?? part);
    const told = document.createElement("span");
    told.className = "name";
    told.append(name);
    const number = document.createElement("span");
    number.className = "ago";
    cell.append(told, " ", ...codes.flatMap((code) => [code, " "]), number);
    row.append(cell);
    return { row, number };
  };

  const label = (cell) => [".name", ".prefix"].map((part) => cell.querySelector(part)?.textContent).join("\n");

  const divide = (ordered, by) => {
    const groups = new Map();
    for (const each of ordered) {
      const which = each.groups[by];
      if (!groups.has(which)) groups.set(which, []);
      groups.get(which).push(each);
    }
    const divided = [...groups.values()].map((members) => ({ members, cell: members[0].row.cells[2] }));
    const namesakes = new Map();
    for (const { cell } of divided) namesakes.set(label(cell), (namesakes.get(label(cell)) ?? 0) + 1);
    return divided.map(({ members, cell }) => ({
      members,
      ...heading(title(cell, by, namesakes.get(label(cell)) > 1)),
    }));
  };

  // to attach a row anew costs far more than to hide it: the rows move only when another order asks for it
  let arranged = "";
  let groups = [];
  const arrange = () => {
    const by = grouping();
    const wanted = [sorted.by, sorted.direction, by].join();
    let moved = wanted !== arranged;
    if (moved) {
      arranged = wanted;
      const ordered = [...rows].sort(compare);
      ordered.forEach((each, rank) => {
        each.rank = rank;
      });
      groups = by === "none" ? [] : divide(ordered, by);
      if (!groups.length) body.replaceChildren(...ordered.map((each) => each.row));
    }
    const shown = [];
    for (const group of groups) {
      const members = group.members.filter((each) => !each.row.hidden);
      group.row.hidden = !members.length;
      if (group.shown !== members.length) group.number.textContent = `(${plural(members.length, "finding")})`;
      group.shown = members.length;
      // a group stands where the first of its findings on show would
      group.rank = members[0]?.rank;
      if (members.length) shown.push(group);
    }
    moved ||= shown.some((group, place) => place > 0 && group.rank < shown[place - 1].rank);
    if (moved && groups.length) {
      shown.sort((a, b) => a.rank - b.rank);
      groups = [...shown, ...groups.filter((group) => group.row.hidden)];
      body.replaceChildren(...groups.flatMap((group) => [group.row, ...group.members.map((each) => each.row)]));
    }
    return shown.length;
  };

  const update = () => {
    const wanted = filter.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const severities = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    let shown = 0;
    for (const each of rows) {
      const fits =
        severities.has(each.label) &&
        (!rule.value || each.rule === rule.value) &&
        (!owner?.value || each.owner === owner.value) &&
        wanted.every((word) => each.words.includes(word));
      if (each.row.hidden === fits) each.row.hidden = !fits;
      shown += fits;
    }
    const divisions = arrange();
    for (const head of heads) {
      if (head.dataset.sort === sorted.by) head.setAttribute("aria-sort", sorted.direction);
      else head.removeAttribute("aria-sort");
    }
    clear.disabled = shown === rows.length && !wanted.length && !rule.value && !owner?.value;
    const by = heads.find((head) => head.dataset.sort === sorted.by).textContent.toLowerCase();
    const way = directions[sorted.by]?.[sorted.direction] ?? (sorted.direction === "ascending" ? "A to Z" : "Z to A");
    const parts = [
      shown ? `Showing ${shown.toLocaleString("en")} of ${plural(rows.length, "finding")}${table.dataset.cut ? " on this page" : ""}` : "No finding matches the filters",
      `sorted by ${by}, ${way}`,
    ];
    if (divisions) parts.push(`grouped by ${grouping()}: ${plural(divisions, "group")}`);
    status.textContent = `${parts.join("; ")}.`;
  };

  const reset = () => {
    filter.value = "";
    rule.value = "";
    if (owner) owner.value = "";
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
