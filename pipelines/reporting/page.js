"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const step = 20;
  let shown = step;
  // Text goes into the page as text alone: nothing here makes markup of it.
  const add = (parent, name, text, kind) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (kind) made.className = kind;
    return parent.appendChild(made);
  };
  const option = (list, value, text) => { add(list, "option", text).value = value; };
  const kinds = { kept: "kept pairs", rejected: "rejected", quarantined: "quarantined", negative: "candidate negatives set aside", error: "flagged", note: "notes", clean: "clean" };
  const words = data.map((row) => [row.text, row.passage, row.source, row.reason, row.id, row.style, ...row.story.flat()].join("\n").toLowerCase());
  const reasons = () => {
    const wanted = at("kind").value, kept = at("reason").value;
    const counts = new Map();
    for (const row of data) if (!wanted || row.kind === wanted) counts.set(row.reason, (counts.get(row.reason) || 0) + 1);
    at("reason").replaceChildren();
    option(at("reason"), "", "any reason");
    for (const name of [...counts.keys()].sort()) if (name) option(at("reason"), name, name);
    at("reason").value = counts.has(kept) ? kept : "";
  };
  const card = (row) => {
    const made = add(at("rows"), "div", undefined, "row");
    const about = [row.kind === "negative" ? row.detail : row.kind, row.reason, row.kind === "negative" ? "" : row.detail, row.split, row.style, row.source, row.id].filter(Boolean);
    add(made, "p", row.text, "question");
    add(made, "p", about.join(" · "), "small");
    if (row.passage) add(made, "blockquote", row.passage);
    if (row.story.length) {
      const more = add(made, "details");
      add(more, "summary", "its story");
      const list = add(more, "dl");
      for (const [name, value] of row.story) { add(list, "dt", name); add(list, "dd", value); }
    }
  };
  const show = () => {
    const wanted = at("kind").value, reason = at("reason").value;
    const parts = at("words").value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = data.filter((row, place) => (!wanted || row.kind === wanted) && (!reason || row.reason === reason) && parts.every((part) => words[place].includes(part)));
    at("rows").replaceChildren();
    found.slice(0, shown).forEach(card);
    at("found").textContent = `${found.length} rows`;
    at("more").hidden = found.length <= shown;
  };
  const again = () => { shown = step; show(); };
  option(at("kind"), "", "all kinds");
  for (const [name, text] of Object.entries(kinds)) if (data.some((row) => row.kind === name)) option(at("kind"), name, text);
  reasons();
  at("kind").addEventListener("change", () => { reasons(); again(); });
  at("reason").addEventListener("change", again);
  at("words").addEventListener("input", again);
  at("filter").addEventListener("submit", (event) => event.preventDefault());
  at("more").addEventListener("click", () => { shown += step; show(); });
  at("browser").hidden = false;
  show();
})();
