// Charts that stretch: shapes in SVG without a scale of their own, words in HTML beside and below them.

const steps = (points, width, height) => {
  // points: [x0, x1, y] in [0, 1]; an outline of steps over the base line
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

// One bar of parts: [[label, count, kind], ...]; empty parts leave no trace.
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
  const hasBand = similarity.related !== null && similarity.duplicate !== null;
  const band = () => hasBand && el("span.band", { style: { left: percentAt(similarity.related), right: `${100 - 100 * at(similarity.duplicate)}%` } });
  return el("div.ridges", {},
    hasBand && el("div.ridge.head", {}, el("span"), el("div.ridge-plot.marks", {},
      el("span.mark", { style: { right: `${100 - 100 * at(similarity.duplicate)}%` } }, `related ${similarity.related} to ${similarity.duplicate} duplicate`))),
    similarity.histograms.map((each) => {
      const most = Math.max(1, ...each.counts);
      const points = each.counts.map((value, i) =>
        [at(each.low + i * each.step), at(each.low + (i + 1) * each.step), value / most]);
      return el("div.ridge", {},
        el("div.ridge-label", {}, el("b", {}, each.name), el("small", {}, `${counted(total(each.counts), "value")}, ${each.note}`)),
        el("div.ridge-plot", {}, band(), each.counts.length ? shape(steps(points, 1000, 100), "filled") : el("small.none", {}, "none")));
    }),
    el("div.ridge.axis", {}, el("span"), el("div.ridge-plot", {}, ticks.map((value) =>
      el("span.tick", { style: { left: percentAt(value) } }, value.toFixed(1))))));
};

// How many captions a rule would drop, were its bound elsewhere; with a slider to try it.
const boundCurve = (rule, counts) => {
  const { bound, scores } = counts;
  const beyond = (at, column) => scores.reduce((sum, row) =>
    sum + ((bound.drops === "below" ? row[0] < at : row[0] > at) ? row[column] : 0), 0);
  const values = scores.map((row) => row[0]);
  const isShare = bound.value <= 1;
  const low = bound.drops === "below" ? Math.min(...values, bound.value) * (isShare ? 1 : 0.9) : bound.value;
  const farthest = Math.max(...values, bound.value);
  const high = bound.drops === "below" ? bound.value : isShare ? Math.min(1, farthest + 0.02) : Math.ceil(farthest * 1.05);
  const span = Math.max(high - low, 1e-9);
  const corners = [low, ...values.filter((value) => value > low && value < high), high];
  const path = (column) => steps(corners.slice(0, -1).map((from, i) => {
    const middle = (from + corners[i + 1]) / 2;
    return [(from - low) / span, (corners[i + 1] - low) / span, beyond(middle, column) / Math.max(1, counts.caught)];
  }), 1000, 100);
  const show = (value) => (isShare ? value.toFixed(2) : count(Math.round(value)));
  const said = el("output.said", {});
  const cursor = el("span.cursor");
  const slider = el("input", {
    type: "range", min: low, max: high, step: isShare ? 0.01 : 1, value: bound.value,
    "aria-label": `${words(rule)}, ${jobLabel(counts.job)}: another bound`,
    oninput: () => tell(Number(slider.value)),
  });
  const tell = (value) => {
    const now = value === bound.value;
    const caught = now ? counts.caught : beyond(value, 1);
    const back = counts.alone - (now ? counts.alone : beyond(value, 2));
    cursor.style.left = `${(100 * (value - low)) / span}%`;
    said.textContent = now
      ? `at ${show(value)}, as set: ${count(caught)} caught, ${count(counts.alone)} of them by no other rule`
      : `at ${show(value)}: ${count(caught)} caught, ${counted(back, "caption")} back among the kept`;
  };
  tell(bound.value);
  return el("div.curve", {},
    el("div.curve-head", {}, el("b", {}, jobLabel(counts.job)), el("code", {}, bound.setting), " = ", show(bound.value)),
    el("div.curve-plot", {}, shape(path(1), "faint"), shape(path(2), "filled"), cursor),
    slider,
    el("div.curve-ends", {}, el("span", {}, show(low)), el("span", {}, show(high))),
    said);
};

const paceCurve = (points) => {
  const end = Math.max(...points.map(([at]) => at), 1e-9);
  const most = points[points.length - 1][1];
  let path = "M0 100";
  for (const [at, made] of points) path += `L${(1000 * at) / end} ${100 - (100 * made) / most}`;
  const jobs = [...new Set(points.map(([, , job]) => job))];
  return el("div.pace-curve", {},
    el("div.pace-top", {}, `${count(most)} captions`),
    el("div.pace-plot", {}, shape(`${path}V100Z`, "filled"),
      points.length <= 60 && points.map(([at, made, job]) =>
        el("span.dot", { style: { left: `${(100 * at) / end}%`, bottom: `${(100 * made) / most}%` }, title: `${jobLabel(job)}: ${count(made)} in all after ${seconds(at)}` }))),
    el("div.curve-ends", {}, el("span", {}, "0 s"), el("span", {}, jobs.map(jobLabel).join(" → ")), el("span", {}, seconds(end))));
};
