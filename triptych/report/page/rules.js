// Rules: rejected captions by rule, and images by screen, with sliders for other thresholds.

// The words of a threshold slider, for captions and for images.
const OF_CAPTIONS = { one: "caption", caught: "caught", out: "rejected", back: "back among the kept", same: "the same captions kept", rule: "rule" };
const OF_IMAGES = { one: "image", caught: "beyond it", out: "left out", back: "back", same: "the same images left out", rule: "screen" };

// A slider that shows how many captions a rule would reject, or images a screen would leave out, with another
// threshold. Bins are numbered in steps from the threshold (see runs/rule_scores.py), so every position is exact.
const thresholdCurve = (rule, scores, label, all, say) => {
  const { threshold, step, violated, setting, bins } = scores;
  const above = violated === "above";
  const beyond = (at, column) => bins.reduce((sum, row) =>
    sum + ((above ? row[0] > at : row[0] < at) ? row[column] : 0), 0);
  // From the loosest threshold, where nothing is rejected, to the tightest, where half of all are.
  const half = all / 2;
  const outermost = (from, towards, enough) => {
    let at = from;
    while (Math.abs(at) < 100 && threshold + (at + towards) * step >= 0 && !enough(at)) at += towards;
    return at;
  };
  const looser = outermost(0, above ? 1 : -1, (at) => beyond(at, 1) === 0);
  const tighter = outermost(0, above ? -1 : 1, (at) => beyond(at, 1) > half);
  const low = Math.min(looser, tighter);
  const high = Math.max(looser, tighter);
  const span = Math.max(high - low, 1);
  const most = Math.max(1, beyond(tighter, 1));
  const path = (column) => steps(Array.from({ length: high - low }, (_, i) =>
    [i / span, (i + 1) / span, beyond(low + i, column) / most]), 1000, 100);
  const valueAt = (at) => threshold + at * step;
  const show = (value) => (Number.isInteger(step) ? count(Math.round(value)) : value.toFixed(step < 0.1 ? 2 : 1));
  const effect = el("output.effect", {});
  const cursor = el("span.cursor");
  const slider = el("input", {
    type: "range", min: low, max: high, step: 1, value: 0,
    "aria-label": `${words(rule)}, ${label}: another threshold`,
    oninput: () => describe(Number(slider.value)),
  });
  const alone = scores.is_off ? 0 : beyond(0, 2);
  const describe = (at) => {
    const other = beyond(at, 2) - alone;
    const change = other > 0 ? `${counted(other, `more ${say.one}`)} ${say.out}` : `${counted(-other, say.one)} ${say.back}`;
    cursor.style.left = `${(100 * (at - low)) / span}%`;
    slider.setAttribute("aria-valuetext", show(valueAt(at)));
    effect.replaceChildren();
    fill(effect, {}, [
      el("b", {}, show(valueAt(at))), scores.is_off ? ", if it were on: " : at === 0 ? " as set: " : ": ", `${count(beyond(at, 1))} ${say.caught}`,
      at === 0 && !scores.is_off ? beyond(0, 1) > 0 && `, ${count(alone)} by this ${say.rule} alone` : `, ${other ? change : say.same}`]);
  };
  describe(0);
  return el("div.curve", {},
    el("div.curve-head", {}, el("b", {}, label), scores.is_off ? "off" : show(threshold)),
    el("code.curve-setting", {}, setting),
    el("div.curve-plot", {}, shape(path(1), "faint"), shape(path(2), "filled"),
      el("span.as-set", { style: { left: `${(-100 * low) / span}%` }, title: scores.is_off ? "where it is on" : "as set" }), cursor),
    slider,
    el("div.curve-ends", {}, el("span", {}, show(valueAt(low))), el("span", {}, show(valueAt(high)))),
    effect);
};

const rejectedCard = (rule, rejected) => {
  const { caption } = rejected;
  const id = anchor("rejected", caption.id);
  const node = el("article.card.rejected", { id });
  const buttons = judgedCaption(node, `rejected: ${rule}`, caption, rejected.how);
  filters.describe(node, { ...filters.of([caption]), pictures: rejected.pictures });
  const score = (value) => (Number.isInteger(value) ? count(value) : value.toFixed(2));
  return fill(node, {}, [
    el("header", {}, permalink(id, "#"), el("span.language", {}, jobLabel(caption.job)), rare(rejected.how),
      el("span.scores", {}, Object.entries(rejected.scores).map(([each, value]) => el("span.tag", {}, `${words(each)} ${score(value)}`))), buttons),
    el("div.strip", {}, rejected.pictures.map((picture) => thumbnail(picture, rejected.pictures))),
    captionText(caption, SCROLLS),
    el("footer", {}, name(caption.id)),
    rejected.repeats && el("div.repeats", {},
      el("header", {}, el("small", {}, "repeats"), name(rejected.repeats.id)),
      el("div.strip", {}, rejected.repeats.pictures.map((picture) => thumbnail(picture, rejected.repeats.pictures))),
      captionText(rejected.repeats, SCROLLS)),
  ]);
};

const ruleBlock = (rule) => {
  const caught = rule.jobs.reduce((sum, counts) => sum + counts.caught, 0);
  const first = rule.jobs.reduce((sum, counts) => sum + counts.first, 0);
  const movable = rule.jobs.filter((counts) => counts.scores);
  const fixed = rule.jobs.filter((counts) => !counts.scores);
  return el("div.rule", {},
    el("h3", {}, words(rule.rule), el("small", {}, caught
      ? `rejects ${counted(caught, "caption")}, and is the recorded reason for ${count(first)}`
      : "nothing rejected")),
    el("div.curves", {}, movable.map((counts) => thresholdCurve(rule.rule, counts.scores, jobLabel(counts.job), ledger.jobs[counts.job].captioned || 0, OF_CAPTIONS)),
      fixed.length > 0 && el("p.without-threshold", {}, fixed.map((counts, i) => [i > 0 && " · ", jobLabel(counts.job), " ", el("b", {}, count(counts.caught)), ` rejected, ${count(counts.alone)} by this rule alone`]), ".")),
    rule.examples.length > 0 && el("div.grid.rejects", {}, rule.examples.map((each) => rejectedCard(rule.rule, each))));
};

const screenedFigure = (picture, value, pictures) => el("figure", {}, thumbnail(picture, pictures),
  el("figcaption", {}, keyOf(picture), el("small", {}, String(Number(value.toFixed(2))))));

const screenBlock = (screen) => {
  const pictures = screen.examples.map(([picture]) => picture);
  const readable = ledger.images.found - total(ledger.images.unreadable);
  return el("div.rule.screen", {},
    el("h3", {}, words(screen.name), el("small", {}, screen.scores.is_off
      ? "off: nothing is left out by it" : `${counted(screen.count, "image")} left out`)),
    el("div.curves", {}, thresholdCurve(screen.name, screen.scores, "all images", readable, OF_IMAGES)),
    pictures.length > 0 && el("p.note", {}, screen.scores.is_off ? "Would be left out:" : "Left out:"),
    pictures.length > 0 && el("div.screened", {}, screen.examples.map(([picture, value]) => screenedFigure(picture, value, pictures))));
};

// Blocks that have something to show; then, folded, the others.
const withOthersFolded = (all, hasAny, block, none, title, note) => {
  const shown = all.filter(hasAny);
  const others = all.filter((each) => !hasAny(each));
  return [
    shown.length ? shown.map(block) : el("p.none", {}, none),
    others.length > 0 && el("details.other-rules", {}, el("summary", {}, title, el("small", {}, note)), others.map(block)),
  ];
};

const rulesSection = () => withOthersFolded(
  content.rules, (rule) => rule.jobs.some((counts) => counts.caught), ruleBlock,
  "No caption was rejected.", "Rules that rejected nothing", "and what other thresholds would reject");

const screensSection = () => (content.screens.length
  ? withOthersFolded(content.screens, (screen) => screen.count || screen.examples.length, screenBlock,
    "No screen leaves out anything.", "Screens that leave out nothing", "and what other thresholds would")
  : el("p.none", {}, "The sets of this run were made by a version without screens."));
