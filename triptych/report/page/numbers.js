// The first screen: some sets as pictures, beside the key numbers. Sections of figures: sizes and similarities,
// failures, throughput, identity.

const keyNumbers = () => {
  const images = ledger.images;
  const jobs = Object.values(ledger.jobs);
  const sum = (field) => jobs.reduce((all, counts) => all + (counts[field] || 0), 0);
  const kept = sum("kept");
  const judged = jobs.some((counts) => counts.kept !== null);
  const cells = [
    [count(images.found), "images found"],
    [count(images.sets), "sets", images.sets ? `${(images.in_sets / images.sets).toFixed(1)} images each` : ""],
    [count(images.duplicates && total(images.duplicates)), "duplicates"],
    [count(sum("captioned")), "captions made"],
    [judged ? count(kept) : "–", "captions kept", judged ? percent(kept, sum("captioned")) : ""],
    [seconds(content.throughput.stages.reduce((all, stage) => all + stage.seconds, 0)), "run time"],
  ];
  return el("dl.key-numbers", {}, cells.map(([value, label, note]) =>
    el("div", {}, el("dt", {}, label, note && `, ${note}`), el("dd", {}, value))));
};

const CONTACTS = 6;

const keptText = (captions) => captions.find((caption) => caption.state === "kept") ?? captions.find((caption) => caption.text);

// Half of them the tightest sets, half drawn at random; single images if there are too few sets.
const contacts = () => {
  const good = content.sets.filter((set) => set.pictures.every((number) => content.pictures[number].url));
  const best = [...good].sort((a, b) => weakest(b) - weakest(a)).slice(0, CONTACTS / 2);
  const drawn = good.filter((set) => !best.includes(set)).slice(0, CONTACTS - best.length);
  const sets = [...best, ...drawn].map((set) => ({ id: anchor("set", set.id), pictures: set.pictures, caption: keptText(set.captions), why: best.includes(set) ? "among the tightest" : "at random" }));
  const singles = content.singles.filter((each) => content.pictures[each.picture].url).map((each) => (
    { id: anchor("image", content.pictures[each.picture].key), pictures: [each.picture], caption: keptText(each.captions), why: "at random" }));
  return [...sets, ...singles].slice(0, CONTACTS);
};

const contactTile = ({ id, pictures, caption, why }) => el("a.contact", { href: `#${id}` },
  el("span.contact-pictures", {}, pictures.map((number) => {
    const { url, key, width_px: width, height_px: height } = content.pictures[number];
    return el("img", { src: url, alt: key, style: { "flex-grow": (width / height).toFixed(2) } });
  })),
  el("span.contact-text", { lang: caption?.language, dir: "auto" }, el("small", {}, why), caption?.text));

const contactSheet = () => {
  const tiles = contacts().map(contactTile);
  return el("div.first-screen", {},
    tiles.length > 0 && el("div.contacts", { role: "group", "aria-label": "some of the sets" }, tiles),
    keyNumbers());
};

const shapesSection = () => [
  el("div.split", {},
    el("div", {}, el("h3", {}, "Images in a set"),
      Object.keys(content.set_sizes).length ? columnBars(Object.entries(content.set_sizes).map(([size, value]) => [counted(Number(size), "image"), value])) : el("p.none", {}, "No sets.")),
    el("div", {}, el("h3", {}, "Cosine similarity, and the thresholds between which sets are made"), ridges(content.similarity),
      content.similarity.why && el("p.note", {}, "The thresholds were chosen for these images: ", content.similarity.why, "."))),
];

const failuresSection = () => content.failures.length
  ? el("div.table-frame", {}, el("table", {},
    el("thead", {}, el("tr", {}, ["where", "class", "count", "examples"].map((head) => el("th", {}, head)))),
    el("tbody", {}, content.failures.map((each) => el("tr", {},
      el("td", {}, each.where === "images" ? "unreadable images" : `${jobLabel(each.where)} captions`),
      el("td", {}, el("b", {}, each.name)),
      el("td.number", {}, count(each.count)),
      el("td", {}, [...Map.groupBy(each.examples, ([, reason]) => reason)].map(([reason, alike]) =>
        el("div.example", {}, el("div", {}, alike.map(([id]) => el("div", {}, name(id)))), el("small", {}, reason))))))))
  )
  : el("p.none", {}, "Nothing failed: every file could be read, every request was answered.");

const throughputSection = () => {
  const { stages, points, note, workers } = content.throughput;
  const longest = Math.max(1e-9, ...stages.map((stage) => stage.seconds));
  return el("div", {}, el("div.split", {},
    el("div", {}, el("h3", {}, "By stage"), stages.length
      ? el("div.bars.throughput-bars", {}, stages.map((stage) => el("div.bar", {},
        el("span.bar-label", {}, jobOf.has(stage.name) ? `captions ${jobLabel(stage.name)}` : stage.name),
        el("span.bar-track", {}, el("span.bar-fill", { style: { width: `${(100 * stage.seconds) / longest}%` } })),
        el("span.bar-count", {}, seconds(stage.seconds),
          el("small", {}, stage.seconds > 0 ? ` ${(stage.count / stage.seconds).toFixed(1)} ${stage.unit}/s` : ""))))) : el("p.none", {}, "No stage has recorded how long it took.")),
    el("div", {}, el("h3", {}, "Captions over time"), points.length > 0 && throughputCurve(points), el("p.note", {}, note))),
    workers.length > 0 && el("h3", {}, "By worker"), workers.length > 0 && el("pre.workers", { tabindex: "0" }, workers.join("\n")));
};

const pairs = (entries) => el("dl.pairs", {}, entries.map(([key, value]) =>
  el("div", {}, el("dt", {}, key), el("dd", {}, value === null || value === "" ? "–" : String(value)))));

const identitySection = () => {
  const { identity } = content;
  const fingerprint = (stage, setting) => identity.stages.find((each) => each.name === stage)?.settings[setting] ?? null;
  return [
    el("div.split", {},
      el("div", {}, el("h3", {}, "Made by"), pairs([
        ["captioner", identity.model], ["its fingerprint", fingerprint("captions", "model")], ["engine", identity.engine],
        ["encoder", identity.encoder], ["its fingerprint", fingerprint("embeddings", "encoder")],
        ["report", identity.report],
      ])),
      el("div", {}, el("h3", {}, "Versions"), pairs(Object.entries(identity.versions)))),
    el("h3", {}, "Prompts"),
    el("div.prompts", {}, content.jobs.map((job) =>
      el("figure", {}, el("figcaption", {}, job.label), el("blockquote", { lang: job.language, dir: "auto" }, job.prompt)))),
    el("h3", {}, "Stages: settings and fingerprints"),
    identity.stages.map((stage) => el("details", {},
      el("summary", {}, stage.name, el("small", {}, stage.finished ? "finished" : "begun, not finished")),
      pairs([...Object.entries(stage.settings), ...Object.entries(stage.inputs).map(([key, value]) => [`input: ${key}`, value]), ...Object.entries(stage.notes).map(([key, value]) => [`noted: ${key}`, value])]))),
  ];
};
