// Charts that stretch with the page: shapes in SVG, without fixed size; texts in HTML around them.

const steps = (points, width, height) => {
  // points: [x0, x1, y] in [0, 1]; returns the outline of the steps above the base line
  let path = "";
  let last = null;
  for (const [from, to, y] of points) {
    if (last !== from) path += `${last === null ? "" : `V${height}`}M${from * width} ${height}`;
    path += `V${(1 - y) * height}H${to * width}`;
    last = to;
  }
  return path + (points.length ? `V${height}` : "");
};

const shape = (path, kind) =>
  svg("svg", { viewBox: "0 0 1000 100", preserveAspectRatio: "none", class: `shape ${kind}`, "aria-hidden": "true" },
    svg("path", { d: path, "vector-effect": "non-scaling-stroke" }));

// One bar of parts: [[label, count, kind], ...]; empty parts aren't drawn.
const stacked = (parts, whole, title) =>
  el("div.stacked", { role: "img", "aria-label": title },
    parts.filter(([, value]) => value > 0).map(([label, value, kind]) =>
      el(`span.part.${kind}`, { style: { "flex-grow": value }, title: `${label}: ${count(value)} (${percent(value, whole)})` })));

const columnBars = (rows) => {
  // rows: [[label, value], ...]
  const most = Math.max(1, ...rows.map(([, value]) => value));
  const all = rows.reduce((sum, [, value]) => sum + value, 0);
  return el("div.bars", {}, rows.map(([label, value]) =>
    el("div.bar", {},
      el("span.bar-label", {}, label),
      el("span.bar-track", {}, el("span.bar-fill", { style: { width: `${(100 * value) / most}%` } })),
      el("span.bar-count", {}, count(value), el("small", {}, ` ${percent(value, all)}`)))));
};

const ridges = (similarity) => {
  const filled = similarity.histograms.filter((each) => each.counts.length);
  const lowest = Math.min(similarity.related ?? 1, ...filled.map((each) => each.low));
  const low = Math.max(-1, Math.floor((lowest - 0.02) * 20) / 20);
  const at = (value) => (value - low) / (1 - low);
  const percentAt = (value) => `${100 * at(value)}%`;
  const ticks = [];
  const every = 1 - low > 0.8 ? 0.2 : 0.1;
  for (let value = 1; value >= low - 1e-9; value -= every) ticks.push(value);
  const hasThresholds = similarity.related !== null && similarity.duplicate !== null;
  const between = () => hasThresholds && el("span.between", { style: { left: percentAt(similarity.related), right: `${100 - 100 * at(similarity.duplicate)}%` } });
  return el("div.ridges", {},
    hasThresholds && el("div.ridge.head", {}, el("span"), el("div.ridge-plot.marks", {},
      el("span.mark", { style: { right: `${100 - 100 * at(similarity.duplicate)}%` } }, `related ${similarity.related} to ${similarity.duplicate} duplicate`))),
    similarity.histograms.map((each) => {
      const most = Math.max(1, ...each.counts);
      const points = each.counts.map((value, i) =>
        [at(each.low + i * each.step), at(each.low + (i + 1) * each.step), value / most]);
      return el("div.ridge", {},
        el("div.ridge-label", {}, el("b", {}, each.name), el("small", {}, `${counted(total(each.counts), "value")}, ${each.note}`)),
        el("div.ridge-plot", {}, between(), each.counts.length ? shape(steps(points, 1000, 100), "filled") : el("small.none", {}, "none")));
    }),
    el("div.ridge.axis", {}, el("span"), el("div.ridge-plot", {}, ticks.map((value) =>
      el("span.tick", { style: { left: percentAt(value) } }, value.toFixed(1))))));
};

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

const throughputCurve = (points) => {
  const end = Math.max(...points.map(([at]) => at), 1e-9);
  const most = points[points.length - 1][1];
  let path = "M0 100";
  for (const [at, made] of points) path += `L${(1000 * at) / end} ${100 - (100 * made) / most}`;
  const jobs = [...new Set(points.map(([, , job]) => job))];
  return el("div.throughput-curve", {},
    el("div.throughput-top", {}, `${count(most)} captions`),
    el("div.throughput-plot", {}, shape(`${path}V100Z`, "filled"),
      points.length <= 60 && points.map(([at, made, job]) =>
        el("span.dot", { style: { left: `${(100 * at) / end}%`, bottom: `${(100 * made) / most}%` }, title: `${jobLabel(job)}: ${count(made)} in total after ${seconds(at)}` }))),
    el("div.curve-ends", {}, el("span", {}, "0 s"), el("span", {}, jobs.map(jobLabel).join(" → ")), el("span", {}, seconds(end))));
};
