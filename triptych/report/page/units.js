// Units: the items that a person judges. A unit has a kind, a key, and how it was drawn.

const QUESTIONS = new Map([
  ["set", "Do these images belong together, without being the same?"],
  ["near duplicate", "Do both show the same?"],
  ...content.jobs.map((job) => [job.name, `Is the ${job.language_name} caption right${job.is_multi ? ", image by image" : ""}?`]),
]);
const question = (kind) => QUESTIONS.get(kind) ?? (kind.startsWith("beside: ") ? "The first (g), the second (b) or equal (=)?" : null) ?? "Was it right to reject this caption?";

const units = [];

// Makes `node` a unit. `caption` is null for units about images; `judges`: the verdicts of its buttons, in order.
const addUnit = (node, kind, job, key, drawn, caption = null, judges = ["good", "bad"]) => {
  const unit = { node, kind, job, key, drawn, caption, judges, item: `${kind}\n${job}\n${key}` };
  node.classList.add("unit");
  node.addEventListener("pointerdown", (event) => event.target.closest(".unit") === node && review.go(units.indexOf(unit), false));
  units.push(unit);
  return unit;
};

// Makes `node` a unit; returns its buttons, to be placed inside.
const judged = (node, kind, key, drawn, caption = null) => {
  const unit = addUnit(node, kind, caption?.job ?? "", key, drawn, caption);
  const button = (verdict, sign) => el(`button.judge.${verdict}`, {
    type: "button", title: `${verdict} (${verdict[0]})`, "aria-label": `${verdict}: ${question(kind)}`, "aria-pressed": "false",
    onclick: () => review.judge(unit, verdict),
  }, sign);
  unit.buttons = [button("good", "✓"), button("bad", "✗")];
  const pen = caption && el("button.judge", { type: "button", title: "edit (e)", "aria-label": "edit the caption", onclick: () => edits.open(unit) }, "✎");
  return el("span.judges", {}, pen, unit.buttons);
};
const judgedCaption = (node, kind, caption, drawn) => judged(node, kind, caption.id.slice(caption.job.length + 1), drawn, caption);

// Why a caption is bad: a row of chips below it, one of which is pressed.
const reasonsOf = (unit) => {
  unit.reasons ??= content.reasons.map((reason, i) => el("button.chip", {
    type: "button", title: `${reason} (${i + 1})`, onclick: () => review.judge(unit, "bad", { reason }),
  }, reason));
  unit.why ??= el("div.chips.why", { role: "group", "aria-label": "why is it bad?" }, unit.reasons);
  return unit.why;
};

// A person's version of a caption, below the model's.
const edits = {
  show: (unit, text) => {
    unit.edited ??= el("p.text.edited", { lang: unit.caption.language, dir: "auto" });
    unit.edited.textContent = text;
    if (text) unit.node.append(unit.edited);
    else unit.edited.remove();
  },
  open: (unit) => {
    if (!unit.caption || unit.node.querySelector("textarea")) return;
    const box = el("textarea", { "aria-label": "the caption in your words", lang: unit.caption.language, dir: "auto", rows: 5 });
    box.value = review.textOf(unit) || unit.caption.text;
    const close = (save) => {
      const text = box.value.trim();
      editor.remove();
      if (save) review.judge(unit, null, { text: text === unit.caption.text.trim() ? "" : text });
    };
    const editor = el("div.editor", { onkeydown: (event) => {
      event.stopPropagation();  // letters are text here
      if (event.key === "Escape") close(false);
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) close(true);
    } }, box, el("button", { type: "button", onclick: () => close(true) }, "Keep"), el("button", { type: "button", onclick: () => close(false) }, "Cancel"));
    unit.node.append(editor);
    box.focus();
  },
};

const rare = (how) => how === "rare" && el("span.tag", { title: "added so that rare kinds are seen; doesn't count towards a precision" }, "rare kind");
