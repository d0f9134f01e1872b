// The map: every picture of the page where its embedding puts it; those of one set light up together.

const mapSection = () => {
  const setOf = new Map(content.sets.flatMap((set, number) => set.pictures.map((picture) => [picture, number])));
  const copies = new Set(content.duplicates.map((pair) => pair.picture));
  const all = content.pictures.map((_, number) => number).filter((number) => content.pictures[number].url);
  const points = new Map();
  const together = (number) => (setOf.has(number) ? content.sets[setOf.get(number)].pictures : [number]);
  const light = (number, on) => together(number).forEach((each) => points.get(each)?.classList.toggle("lit", on));
  for (const number of all) {
    const { url, key } = content.pictures[number];
    const [across, down] = content.map[number];
    const kind = setOf.has(number) ? "in-set" : copies.has(number) ? "copy" : "alone";
    const point = el(`button.point.${kind}`, {
      type: "button", "aria-label": key, title: key, style: { left: `${100 * across}%`, top: `${100 * down}%` },
      onclick: () => lightbox.open(together(number), number),
      onpointerenter: () => light(number, true), onpointerleave: () => light(number, false),
      onfocus: () => light(number, true), onblur: () => light(number, false),
    }, el("img", { src: url, alt: "", decoding: "async" }));
    points.set(number, point);
  }
  return el("figure.map", {}, el("div.map-field", {}, [...points.values()]),
    el("figcaption", {}, el("i.key.in-set"), "in a set", el("i.key.alone"), "not in one of the sets shown", el("i.key.copy"), "duplicate"));
};
