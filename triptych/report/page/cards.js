// Cards: sets as contact sheets, single images, duplicates.

// `beside`: the pictures that the lightbox steps through.
const thumbnail = (number, beside = [number]) => {
  const picture = content.pictures[number];
  if (!picture.url) return el("span.no-picture", { title: picture.key }, picture.why_not);
  return el("button.enlarge", { type: "button", "aria-label": `enlarge ${picture.key}`, onclick: () => lightbox.open(beside, number) },
    el("img", { src: picture.url, alt: picture.key, title: picture.width_px ? `${picture.key}, ${picture.width_px} × ${picture.height_px}` : picture.key, decoding: "async", loading: "lazy" }));
};
const permalink = (id, text) => el("a.ordinal", { href: `#${id}`, title: "link to this card" }, text);
const ordinal = (id, number) => permalink(id, String(number + 1).padStart(2, "0"));
const keyOf = (number) => name(content.pictures[number].key);

// For long texts, which scroll: by the keyboard, too.
const SCROLLS = { tabindex: "0" };

// The text with the words that rules object to marked. Of overlapping marks, the first is shown.
const captionText = (caption, more = {}) => {
  const parts = [];
  let at = 0;
  for (const { start, end, rule, images } of caption.marks || []) {
    if (start < at) continue;
    const where = images?.length > 0 && el("sup", {}, `image ${images.join(", ")}`);
    parts.push(caption.text.slice(at, start), el("mark.objection", { title: words(rule) }, caption.text.slice(start, end), where));
    at = end;
  }
  return el("p.text", { lang: caption.language, dir: "auto", ...more }, parts, caption.text.slice(at));
};

const captionBlock = (caption, how) => {
  const node = el(`section.caption.state-${caption.state.replaceAll(" ", "-")}`, {});
  const buttons = caption.state === "kept" && judgedCaption(node, caption.job, caption, how);
  return fill(node, {}, [
    el("header", {}, el("span.language", {}, jobOf.get(caption.job).short_label),
      caption.state !== "kept" && el("span.state", {}, caption.state, caption.why && caption.state === "rejected" && `: ${words(caption.why)}`),
      buttons),
    caption.text ? captionText(caption) : el("p.none", {}, caption.why || "No caption."),
    caption.removed?.length > 0 && el("p.removed", { lang: caption.language, dir: "auto" }, el("small", {}, "repaired, without "), el("del", {}, caption.removed.join(" "))),
  ]);
};

const similarityMatrix = (rows) => {
  const { related, duplicate } = content.similarity;
  const low = related ?? 0;
  const high = duplicate ?? 1;
  const cell = (value, i, j) => {
    if (i === j) return el("td.same", {}, "");
    const strength = Math.max(0, Math.min(1, (value - low) / Math.max(high - low, 1e-9)));
    return el(value < low || value >= high ? "td.outside" : "td", { style: { "--strength": (0.12 + 0.68 * strength).toFixed(3) }, title: `image ${i + 1} and image ${j + 1}: ${cosine(value)}` }, value.toFixed(2).replace(/^0/, ""));
  };
  return el("table.matrix", { "aria-label": "cosine similarities" },
    el("thead", {}, el("tr", {}, el("td"), rows.map((_, i) => el("th", {}, i + 1)))),
    el("tbody", {}, rows.map((row, i) => el("tr", {}, el("th", {}, i + 1), row.map((value, j) => cell(value, i, j))))));
};

// The cosine of each pair of a set; and the smallest.
const pairCosines = (set) => set.cosine_similarities.flatMap((row, i) => row.slice(i + 1));
const weakest = (set) => Math.min(...pairCosines(set));

const setCard = (set, number) => {
  const id = anchor("set", set.id);
  const node = el("article.card.set", { id });
  const pictures = set.left_out ? [...set.pictures, set.left_out.picture] : set.pictures;
  const buttons = judged(node, "set", set.id, set.how);
  const cosines = pairCosines(set);
  const mean = cosines.reduce((sum, value) => sum + value, 0) / Math.max(1, cosines.length);
  filters.describe(node, { ...filters.of(set.captions), pictures, size: set.pictures.length, cosine: weakest(set) });
  return fill(node, {}, [
    el("header", {}, ordinal(id, number), name(set.id), rare(set.how),
      el("span.facts", {}, `${set.kind === "related" ? "" : `${set.kind} set · `}${set.pictures.length} images · weakest ${cosine(weakest(set))} · mean ${cosine(mean)}`), buttons),
    el("div.beside", {}, el("div.sheet", {},
      set.pictures.map((picture, i) => el("figure", {}, el("span.badge", {}, i + 1), thumbnail(picture, pictures),
        el("figcaption", {}, keyOf(picture), el("small", {}, set.why_joined[i])))),
      set.left_out && el("figure.left-out", {}, el("span.badge", {}, "left out"), thumbnail(set.left_out.picture, pictures),
        el("figcaption", {}, keyOf(set.left_out.picture), el("small", {}, set.left_out.why)))), set.pictures.length > 2 && similarityMatrix(set.cosine_similarities)),
    el("div.captions", {}, set.captions.map((caption) => captionBlock(caption, set.how))),
  ]);
};

const singleCard = (single, number) => {
  const id = anchor("image", content.pictures[single.picture].key);
  return filters.describe(el("article.card.single", { id },
    el("figure", {}, thumbnail(single.picture), el("figcaption", {}, ordinal(id, number), " ", keyOf(single.picture))),
    el("div.captions.stack", {}, single.captions.map((caption) => captionBlock(caption, single.how)))),
    { ...filters.of(single.captions), pictures: [single.picture] });
};

const duplicateCard = (pair, number) => {
  const id = anchor("duplicate", pair.key);
  const node = filters.describe(el("article.card.duplicate", { id }), { ...filters.of([]), pictures: [pair.picture, pair.kept] });
  const near = pair.reason !== "same bytes";
  const buttons = near && judged(node, "near duplicate", pair.key, pair.how);
  return fill(node, {}, [
    el("header", {}, ordinal(id, number), el("span.facts", {}, near ? `${pair.reason}, cosine ${cosine(pair.cosine_similarity)}` : pair.reason), rare(pair.how), buttons),
    el("div.pair", {},
      el("figure.copy", {}, thumbnail(pair.picture, [pair.picture, pair.kept]), el("figcaption", {}, el("small", {}, "duplicate"), keyOf(pair.picture))),
      el("figure", {}, thumbnail(pair.kept, [pair.picture, pair.kept]), el("figcaption", {}, el("small", {}, "kept"), keyOf(pair.kept)))),
  ]);
};
