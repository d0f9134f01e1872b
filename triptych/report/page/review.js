// Review: the current unit, and the verdicts: stored in this browser, and downloaded as JSON Lines.

const stored = {
  read: (key) => { try { return localStorage.getItem(key); } catch { return null; } },
  write: (key, value) => { try { localStorage.setItem(key, value); return true; } catch { return false; } },
};

const review = (() => {
  const storageKey = `triptych-verdicts-${content.identity.report}`;
  const verdicts = new Map(content.verdicts.map((verdict) => [`${verdict.kind}\n${verdict.job || ""}\n${verdict.key}`, verdict]));
  let current = -1;
  let kept = true;
  const unsent = new Set();  // items whose verdicts the server hasn't stored yet
  try {
    for (const [item, verdict] of Object.entries(JSON.parse(stored.read(storageKey)) || {})) {
      if (verdicts.get(item)?.time >= verdict.time) continue;
      verdicts.set(item, verdict);
      unsent.add(item);
    }
  } catch { /* something else is stored there */ }
  const valid = (item) => (verdicts.get(item)?.verdict === "withdrawn" ? undefined : verdicts.get(item));

  // The person's text, from here or from before the captions were filtered; empty to keep the model's.
  const textOf = (unit) => valid(unit.item)?.text ?? unit.caption?.edited;

  const bar = {
    question: el("span.question", {}),
    where: el("span.where", { "aria-live": "polite" }),
    tally: el("span.tally", {}),
  };

  const paint = (unit) => {
    const { verdict, reason } = valid(unit.item) || {};
    unit.node.classList.toggle("is-judged", verdict !== undefined);
    unit.node.classList.toggle("is-good", verdict === "good");
    unit.node.classList.toggle("is-bad", verdict === "bad");
    unit.buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(verdict === unit.judges[i])));
    if (!unit.caption) return;
    edits.show(unit, textOf(unit) || "");
    if (unit.kind !== unit.job) return;  // rejected captions have a reason already
    if (verdict !== "bad") return unit.why?.remove();
    if (!unit.why?.isConnected) unit.node.append(reasonsOf(unit));
    unit.reasons.forEach((chip) => chip.setAttribute("aria-pressed", String(chip.textContent === reason)));
  };

  const describe = () => {
    const judgements = units.filter((unit) => !unit.kind.startsWith("beside: ")).map((unit) => valid(unit.item)).filter(Boolean);
    const good = judgements.filter((each) => each.verdict === "good").length;
    bar.tally.replaceChildren(el("b.good", {}, `${good} good`), " ", el("b.bad", {}, `${judgements.length - good} bad`));
    beside.describe((unit) => valid(unit.item));
    bar.where.textContent = current < 0 ? counted(units.length, "item") : `${current + 1} / ${units.length}`;
    bar.question.textContent = !kept
      ? "Your verdicts can't be stored: download them before you close."
      : content.live && unsent.size ? `${counted(unsent.size, "verdict")} not stored in the run yet: the server doesn't answer.`
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

  // `verdict` null: keep the verdict, or "good" if there is none. Fields that `more` doesn't set are kept, too.
  const judge = (unit, verdict, more = {}) => {
    const before = valid(unit.item);
    const is = verdict ?? before?.verdict ?? "good";
    const { reason, text } = { reason: is === "bad" ? before?.reason : "", text: before?.text ?? (is === "good" ? unit.caption?.edited : ""), ...more };
    put(unit, { verdict: is, reason: reason || "", text: text || "" });
  };
  const withdraw = (unit) => valid(unit.item) && put(unit, { verdict: "withdrawn" });
  const put = (unit, fields) => {
    const { kind, key, job, drawn } = unit;
    const verdict = { report: content.identity.report, kind, key, job, ...fields, of: unit.caption?.digest ?? "", drawn, time: new Date().toISOString() };
    verdicts.set(unit.item, verdict);
    kept = stored.write(storageKey, JSON.stringify(Object.fromEntries(verdicts)));
    if (content.live) send(unit.item);
    paint(unit);
    describe();
  };

  const send = async (item) => {
    unsent.delete(item);
    if (!await live.send(verdicts.get(item))) unsent.add(item);
    describe();
  };
  const sendAgain = () => unsent.forEach(send);

  // If there is no current unit, or a search has hidden it, only select one that is shown.
  const onCurrent = (act) => {
    const unit = units[current];
    if (unit?.node.checkVisibility()) act(unit);
    else if (!move(1)) move(-1);
  };
  // `choice`: the index of the unit's button.
  const judgeCurrent = (choice, more) => onCurrent((unit) => {
    const verdict = unit.judges[choice];
    if (!verdict) return;
    judge(unit, verdict, more);
    move(1);
  });

  const leave = () => {
    if (current >= 0) units[current].node.classList.remove("current");
    current = -1;
    describe();
  };

  const asLines = () => [...verdicts.values()].filter((each) => each.verdict !== "withdrawn").map((each) => JSON.stringify(each) + "\n").join("");

  const download = () => {
    const url = URL.createObjectURL(new Blob([asLines()], { type: "application/jsonl" }));
    const link = el("a", { href: url, download: `verdicts-${content.identity.report}.jsonl` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  };

  // Skips units that a search has hidden.
  const move = (by) => {
    let index = current + by;
    while (units[index] && !units[index].node.checkVisibility()) index += by;
    if (!units[index]) return false;
    go(index);
    return true;
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
    g: () => judgeCurrent(0), b: () => judgeCurrent(1), "=": () => judgeCurrent(2), u: () => onCurrent(withdraw), Escape: leave, "?": () => help.open(), "/": () => search.focus(),
    e: () => onCurrent(edits.open),
    ...Object.fromEntries(content.reasons.map((reason, i) => [i + 1, () => onCurrent((unit) => unit.kind === unit.job && judgeCurrent(1, { reason }))])),
  };
  const scrolls = (area, size) => area?.[`scroll${size}`] > area?.[`client${size}`];
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea") || document.querySelector("dialog[open]")) return;
    const size = { ArrowUp: "Height", ArrowDown: "Height", ArrowLeft: "Width", ArrowRight: "Width" }[event.key];
    if (size && scrolls(event.target.closest("[tabindex]"), size)) return;
    // Until a review has begun, up and down scroll the page.
    if (current < 0 && size === "Height") return;
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
      bar.where, button("‹", "previous (k)", previous), button("✓", "good (g)", () => judgeCurrent(0), ".good"),
      button("✗", "bad (b)", () => judgeCurrent(1), ".bad"), button("›", "next (j)", next),
      bar.question, bar.tally,
      el("span.keys", {}, ["j", "k", "g", "b", "u"].map((key, i) => [el("kbd", {}, key), ["next", "previous", "good", "bad", "undo"][i]])),
      button("?", "keys (?)", help.open, ".help-button"),
      button([el("span.wide", {}, "Download"), el("span.narrow", {}, "↓")], "verdicts as JSON Lines, for triptych report or filter --verdicts", download, ".download"));
  };

  return { go, judge, textOf, sort, dock, sendAgain };
})();
