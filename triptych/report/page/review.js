// Review: which unit is current, whether each is good or bad, kept in this browser and downloaded as JSON Lines.

const stored = {
  read: (key) => { try { return localStorage.getItem(key); } catch { return null; } },
  write: (key, value) => { try { localStorage.setItem(key, value); return true; } catch { return false; } },
};

const review = (() => {
  const storageKey = `triptych-verdicts-${content.identity.report}`;
  let verdicts = {};
  let current = -1;
  let kept = true;
  try { verdicts = JSON.parse(stored.read(storageKey)) || {}; } catch { verdicts = {}; }

  const bar = {
    question: el("span.question", {}),
    where: el("span.where", { "aria-live": "polite" }),
    tally: el("span.tally", {}),
  };

  const paint = (unit) => {
    const good = verdicts[unit.key];
    unit.node.classList.toggle("is-good", good === true);
    unit.node.classList.toggle("is-bad", good === false);
    unit.buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(good === (i === 0))));
  };

  const describe = () => {
    const judgements = units.map((unit) => verdicts[unit.key]).filter((good) => good !== undefined);
    const good = judgements.filter(Boolean).length;
    bar.tally.replaceChildren(el("b.good", {}, `${good} good`), " ", el("b.bad", {}, `${judgements.length - good} bad`));
    bar.where.textContent = current < 0 ? counted(units.length, "item") : `${current + 1} / ${units.length}`;
    bar.question.textContent = !kept
      ? "This browser keeps nothing: download before you close."
      : current < 0 ? "Read with j and k, judge with g and b." : question(units[current].kind);
  };

  const go = (index, scroll = true) => {
    if (!units.length) return;
    if (current >= 0) units[current].node.classList.remove("current");
    current = Math.max(0, Math.min(units.length - 1, index));
    const { node } = units[current];
    node.classList.add("current");
    if (scroll) node.scrollIntoView({ block: "center", behavior: "instant" });
    describe();
  };

  const judge = (unit, good) => {
    if (good === null) delete verdicts[unit.key];
    else verdicts[unit.key] = good;
    kept = stored.write(storageKey, JSON.stringify(verdicts));
    paint(unit);
    describe();
  };

  const judgeCurrent = (good) => {
    if (current < 0) return go(0);
    judge(units[current], good);
    if (good !== null) move(1);
  };

  const leave = () => {
    if (current >= 0) units[current].node.classList.remove("current");
    current = -1;
    describe();
  };

  const asLines = () => units.filter((unit) => verdicts[unit.key] !== undefined).map((unit) =>
    JSON.stringify({ report: content.identity.report, kind: unit.kind, id: unit.id, good: verdicts[unit.key], drawn: unit.drawn }) + "\n").join("");

  const download = () => {
    const url = URL.createObjectURL(new Blob([asLines()], { type: "application/jsonl" }));
    const link = el("a", { href: url, download: `verdicts-${content.identity.report}.jsonl` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  };

  // Past those that a search has hidden.
  const move = (by) => {
    let index = current + by;
    while (units[index] && !units[index].node.checkVisibility()) index += by;
    if (units[index]) go(index);
  };
  const next = () => move(1);
  const previous = () => move(-1);
  const sort = () => {
    const chosen = units[current];
    units.sort((a, b) => (a.node.compareDocumentPosition(b.node) & Node.DOCUMENT_POSITION_FOLLOWING ? -1 : 1));
    current = chosen ? units.indexOf(chosen) : -1;
    describe();
  };
  const KEYS = {
    j: next, ArrowRight: next, ArrowDown: next,
    k: previous, ArrowLeft: previous, ArrowUp: previous,
    g: () => judgeCurrent(true), b: () => judgeCurrent(false), u: () => judgeCurrent(null), Escape: leave, "?": () => help.open(), "/": () => search.focus(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
    // Up and down scroll the page until a review has begun.
    if (current < 0 && (event.key === "ArrowUp" || event.key === "ArrowDown")) return;
    const act = KEYS[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  const dock = () => {
    const button = (label, title, act, kind = "") => el(`button${kind}`, { type: "button", title, onclick: act }, label);
    units.forEach(paint);
    describe();
    return el("div.dock", { role: "toolbar", "aria-label": "review" },
      bar.where, button("‹", "previous (k)", previous), button("✓", "good (g)", () => judgeCurrent(true), ".good"),
      button("✗", "bad (b)", () => judgeCurrent(false), ".bad"), button("›", "next (j)", next),
      bar.question, bar.tally,
      el("span.keys", {}, ["j", "k", "g", "b", "u"].map((key, i) => [el("kbd", {}, key), ["next", "previous", "good", "bad", "undo"][i]])),
      button("?", "keys (?)", help.open, ".help-button"),
      button([el("span.wide", {}, "Download"), el("span.narrow", {}, "↓")], "verdicts as JSON Lines, for triptych report --verdicts", download, ".download"));
  };

  return { go, judge, sort, dock };
})();
