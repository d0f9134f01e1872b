// Side by side: two captions of the same images. The names of the runs appear once a pair is judged. And the win rate.

const beside = (() => {
  const { beside: shown } = content;
  const kind = shown && `beside: ${shown.reports[1]}`;
  const result = el("output.win-rate", { "aria-live": "polite" });
  const pairUnits = [];

  const wilson = (good, judged, z = 1.959964) => {
    const share = good / judged;
    const centre = share + (z * z) / (2 * judged);
    const spread = z * Math.sqrt((share * (1 - share)) / judged + (z * z) / (4 * judged * judged));
    return [centre - spread, centre + spread].map((bound) => bound / (1 + (z * z) / judged));
  };

  const describe = (verdictOf) => {
    if (!shown) return;
    const verdicts = pairUnits.map(verdictOf).filter(Boolean).map((each) => each.verdict);
    const good = verdicts.filter((each) => each === "good").length;
    const judged = verdicts.filter((each) => each !== "equal").length;
    const equal = verdicts.length - judged;
    const [low, high] = judged ? wilson(good, judged) : [];
    result.replaceChildren();
    fill(result, {}, judged
      ? [el("b", {}, shown.names[0]), ` is better in ${good} of ${judged}: ${percent(good, judged)}, 95% interval ${(100 * low).toFixed(0)}% to ${(100 * high).toFixed(0)}%`, equal > 0 && `; ${equal} equal`]
      : [`${counted(pairUnits.length, "pair")}, none judged yet${equal ? `; ${equal} equal` : ""}.`]);
  };

  const pairCard = (pair, number) => {
    const sides = pair.swapped ? ["bad", "good"] : ["good", "bad"];  // "good" means that this run's caption is better
    const id = anchor("pair", `${pair.job}:${pair.key}`);
    const node = el("article.card.pair-card", { id });
    const unit = addUnit(node, kind, pair.job, pair.key, "even", null, [...sides, "equal"]);
    const button = (verdict, label, key) => el("button", { type: "button", title: `${label} (${key})`, "aria-pressed": "false", onclick: () => review.judge(unit, verdict) }, label);
    unit.buttons = [button(sides[0], "first is better", "g"), button(sides[1], "second is better", "b"), button("equal", "equal", "=")];
    pairUnits.push(unit);
    filters.describe(node, { jobs: [pair.job], rules: [], states: [], lengths: pair.texts.map((text) => text.length), pictures: pair.pictures });
    const names = pair.swapped ? [...shown.names].reverse() : shown.names;
    return fill(node, {}, [
      el("header", {}, ordinal(id, number), el("span.language", {}, jobLabel(pair.job)), name(pair.key)),
      el("div.strip", {}, pair.pictures.map((number) => thumbnail(number, pair.pictures))),
      el("div.captions", {}, pair.texts.map((text, i) => el("section.side", {}, el("small.whose", {}, names[i]),
        el("p.text", { lang: jobOf.get(pair.job)?.language, dir: "auto" }, text)))),
      el("div.pair-judges", { role: "group", "aria-label": "which is better?" }, [unit.buttons[0], unit.buttons[2], unit.buttons[1]]),
    ]);
  };

  const section = () => [
    result,
    el("details", {}, el("summary", {}, "The two prompts"), el("div.prompts", {}, shown.prompts.flatMap(([job, ...texts]) => texts.map((text, i) =>
      el("figure", {}, el("figcaption", {}, `${jobLabel(job)}, ${shown.names[i]} (${shown.models[i]})`), el("blockquote", {}, text)))))),
    el("div.list", {}, shown.pairs.map(pairCard)),
  ];
  return { section, describe };
})();
