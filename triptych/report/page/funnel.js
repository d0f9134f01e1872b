// The funnel: every count with its parts, and the sums written out.

const equation = (whole, label, parts) => {
  const known = whole !== null && whole !== undefined && parts.every(([, value]) => value !== null && value !== undefined);
  const closes = known && whole === parts.reduce((sum, [, value]) => sum + value, 0);
  return el("p.equation", {},
    el("b", {}, count(whole)), ` ${label} = `,
    parts.map(([part, value, kind], i) => [i > 0 && " + ", el(`i.key.${kind}`), el("b", {}, count(value)), ` ${part}`]),
    known && el(closes ? "span.closes" : "span.open", {}, closes ? "adds up" : "does not add up"));
};

const breakdown = (label, parts) => {
  const rows = Object.entries(parts || {}).filter(([, value]) => value > 0).sort((a, b) => b[1] - a[1]);
  return rows.length > 0 && el("span.breakdown", {}, `${label}: `, rows.map(([reason, value], i) => [i > 0 && ", ", el("span", {}, `${words(reason)} `, el("b", {}, count(value)))]));
};

const imageFunnel = () => {
  const images = ledger.images;
  const parts = [
    ["in sets", images.in_sets, "strong"],
    ["single", images.single, "mild"],
    ["duplicates", images.duplicates && total(images.duplicates), "grey"],
    ...(total(images.screened) > 0 ? [["screened out", total(images.screened), "warn"]] : []),
    ["unreadable", images.unreadable && total(images.unreadable), "bad"],
  ];
  return el("div.funnel-row", {},
    el("h3", {}, "Images"),
    stacked(parts, images.found, "what became of the images"),
    equation(images.found, "found", parts),
    el("p.breakdowns", {}, breakdown("duplicates", images.duplicates), breakdown("screened out", images.screened), breakdown("unreadable", images.unreadable)));
};

const jobFunnel = (job, counts, widest) => {
  const failed = counts.failed && total(counts.failed);
  const rejected = counts.rejected && total(counts.rejected);
  const judged = counts.kept !== null && counts.kept !== undefined;
  const parts = judged
    ? [["kept", counts.kept, "strong"], ["rejected", rejected, "warn"]]
    : [["captioned", counts.captioned, "mild"]];
  parts.push(["failed", failed, "bad"]);
  if (counts.pending) parts.push(["still to caption", counts.pending, "grey"]);
  return el("div.funnel-row", {},
    el("h3", {}, jobLabel(job), judged && el("small", {}, ` ${percent(counts.kept, counts.captioned)} kept`)),
    el("div.scaled", { style: { width: `${Math.max(2, (100 * (counts.planned || 0)) / widest)}%` } }, stacked(parts, counts.planned, jobLabel(job))),
    equation(counts.planned, "planned", parts),
    el("p.breakdowns", {}, counts.repaired > 0 && `${count(counts.repaired)} of those kept are repaired `, breakdown("rejected", counts.rejected), breakdown("failed", counts.failed)),
    (content.checks[job] || []).map((line) => el("p.note", {}, line)));
};

const funnelSection = () => {
  const jobs = Object.entries(ledger.jobs);
  const widest = Math.max(1, ...jobs.map(([, counts]) => counts.planned || 0));
  return [
    content.violations.length > 0 && el("div.notice.bad", {}, el("b", {}, "The counts contradict each other. "), content.violations.slice(0, 5).join("; "), content.violations.length > 5 && ` and ${content.violations.length - 5} more: triptych verify lists them`),
    imageFunnel(),
    el("div.funnel-jobs", {}, jobs.map(([job, counts]) => jobFunnel(job, counts, widest))),
  ];
};
