// Filters: which cards are shown, by job, rule, size, cosine, length, or by a selection on the map.

const filters = (() => {
  const facts = new WeakMap();  // of a card: jobs, rules, states, pictures, size, cosine, lengths
  const chosen = new Map();  // by group, the options that are pressed
  let pictures = null;  // those chosen on the map
  let clearMap = () => {};
  const output = el("output", {});

  const describe = (card, fact) => { facts.set(card, fact); return card; };
  const of = (captions) => ({
    jobs: captions.map((caption) => caption.job),
    rules: captions.flatMap((caption) => caption.rules),
    states: captions.flatMap((caption) => [caption.state, caption.removed?.length > 0 && "repaired", caption.edited && "edited"].filter(Boolean)),
    lengths: captions.filter((caption) => caption.text).map((caption) => caption.text.length),
  });

  // Splits values into three parts of about the same size, if there are enough.
  const thirds = (values, show) => {
    const sorted = [...values].sort((a, b) => a - b);
    const [low, high] = [1, 2].map((part) => sorted[Math.floor((part * sorted.length) / 3)]);
    if (sorted.length < 6 || low === high) return [];
    return [
      [`under ${show(low)}`, (value) => value < low],
      [`${show(low)} to ${show(high)}`, (value) => value >= low && value < high],
      [`from ${show(high)}`, (value) => value >= high],
    ];
  };

  const groups = () => {
    const captions = [...content.sets, ...content.singles].flatMap((card) => card.captions).concat(content.rules.flatMap((rule) => rule.examples.map((each) => each.caption)));
    const rules = [...new Set(captions.flatMap((caption) => caption.rules))];
    const sizes = [...new Set(content.sets.map((set) => set.pictures.length))].sort((a, b) => a - b);
    return [
      ["job", content.jobs.map((job) => [job.label, (fact) => fact.jobs.includes(job.name)])],
      ["rule", rules.map((rule) => [words(rule), (fact) => fact.rules.includes(rule)])],
      ["caption", [...new Set(of(captions).states)].map((state) => [state, (fact) => fact.states.includes(state)])],
      ["images in the set", sizes.map((size) => [String(size), (fact) => fact.size === size])],
      ["least cosine in the set", thirds(content.sets.map(weakest), (value) => value.toFixed(2)).map(([label, fits]) => [label, (fact) => fact.cosine !== undefined && fits(fact.cosine)])],
      ["characters of a caption", thirds(captions.map((caption) => caption.text.length).filter(Boolean), count).map(([label, fits]) => [label, (fact) => fact.lengths.some(fits)])],
    ].filter(([, options]) => options.length > 1);
  };

  const isActive = () => pictures !== null || [...chosen.values()].some((options) => options.size);
  const passes = (card) => {
    const fact = facts.get(card);
    if (!isActive()) return true;
    if (!fact) return false;
    const inGroups = [...chosen.values()].every((options) => !options.size || [...options].some((fits) => fits(fact)));
    return inGroups && (pictures === null || fact.pictures.some((number) => pictures.has(number)));
  };

  const choosePictures = (numbers) => { pictures = numbers; search.apply(); };
  const alsoClears = (act) => { clearMap = act; };
  const clear = () => {
    chosen.forEach((options) => options.clear());
    panel.querySelectorAll(".chip").forEach((chip) => chip.setAttribute("aria-pressed", "false"));
    clearMap();
  };

  const chip = (group, [label, fits]) => {
    const button = el("button.chip", { type: "button", "aria-pressed": "false", onclick: () => {
      const options = chosen.get(group);
      if (!options.delete(fits)) options.add(fits);
      button.setAttribute("aria-pressed", String(options.has(fits)));
      search.apply();
    } }, label);
    return button;
  };
  const panel = el("details.filters", {}, el("summary", {}, "Filter the cards"));
  const node = () => {
    const rows = groups().map(([label, options]) => {
      chosen.set(label, new Set());
      return el("div.filter", {}, el("span.filter-label", {}, label), el("div.chips", { role: "group", "aria-label": `filter by ${label}` }, options.map((option) => chip(label, option))));
    });
    return rows.length > 0 && fill(panel, {}, [rows, el("button.clear", { type: "button", onclick: clear }, "Show all"), output]);
  };
  const say = (text) => { output.textContent = text; };
  return { describe, of, isActive, passes, choosePictures, alsoClears, node, say };
})();
