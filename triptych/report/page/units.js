// Units: what a person judges, one at a time. A unit has a kind, an id, and how it was drawn.

const QUESTIONS = new Map([
  ["set", "Do these images belong together, without being the same?"],
  ["near duplicate", "Do both show the same?"],
  ...content.jobs.map((job) => [job.name, `Is the ${job.language_name} caption right${job.is_multi ? ", image by image" : ""}?`]),
]);
const question = (kind) => QUESTIONS.get(kind) ?? "Was it right to reject this caption?";

const units = [];

// Makes `node` a unit; returns the pair of buttons that judge it, to be placed inside.
const judged = (node, kind, id, drawn) => {
  const unit = { node, kind, id, drawn, key: `${kind}\n${id}` };
  const button = (good, label, sign) => el(`button.judge.${good ? "good" : "bad"}`, {
    type: "button", title: `${label} (${label[0]})`, "aria-label": `${label}: ${question(kind)}`, "aria-pressed": "false",
    onclick: () => review.judge(unit, good),
  }, sign);
  node.classList.add("unit");
  node.addEventListener("pointerdown", () => review.go(units.indexOf(unit), false));
  unit.buttons = [button(true, "good", "✓"), button(false, "bad", "✗")];
  units.push(unit);
  return el("span.judges", {}, unit.buttons);
};

const rare = (how) => how === "rare" && el("span.tag", { title: "added so that rare kinds are seen; doesn't count towards a precision" }, "rare kind");
