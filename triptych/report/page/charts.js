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
