// The map: every picture of the page, placed by its embedding; those of one set light up together. Draw a line
// around some of them, or shift-click, to select them.

const inside = ([x, y], outline) => outline.reduce((is, [x1, y1], i) => {
  const [x2, y2] = outline[(i + 1) % outline.length];
  return (y1 > y) !== (y2 > y) && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1 ? !is : is;
}, false);

const KINDS = [["in-set", "in a set"], ["single", "single"], ["duplicate", "duplicate"], ["screened", "screened out"], ["rejected", "a caption of it is rejected"]];

const mapSection = () => {
  const MOVED_PX = 6;
  const setOf = new Map(content.sets.flatMap((set, number) => set.pictures.map((picture) => [picture, number])));
  const rejected = new Set([
    ...content.rules.flatMap((rule) => rule.examples.flatMap((each) => each.pictures)),
    ...[...content.sets, ...content.singles].filter((card) => card.captions.some((caption) => caption.state === "rejected"))
      .flatMap((card) => card.pictures ?? [card.picture]),
  ]);
  const all = content.map.map((_, number) => number).filter((number) => content.pictures[number].url);
  if (!all.length) return el("p.none", {}, "No picture can be shown.");
  const points = new Map();
  const chosen = new Set();
  const together = (number) => (setOf.has(number) ? content.sets[setOf.get(number)].pictures : [number]);
  const light = (number, on) => together(number).forEach((each) => points.get(each)?.classList.toggle("lit", on));

  const howMany = el("output", {});
  const button = (label, act) => el("button", { type: "button", onclick: act }, label);
  const bar = el("div.map-bar", { hidden: true }, howMany,
    button("Open", () => lightbox.open([...chosen], [...chosen][0])),
    button("Show their cards", () => { filters.choosePictures(new Set(chosen)); document.querySelector(".card:not([hidden])")?.closest(".section").scrollIntoView(); }),
    button("Clear", () => clear()));
  const show = () => {
    points.forEach((point, number) => point.classList.toggle("chosen", chosen.has(number)));
    bar.hidden = chosen.size === 0;
    howMany.textContent = `${counted(chosen.size, "picture")} chosen`;
  };
  const clear = () => { chosen.clear(); show(); filters.choosePictures(null); };
  filters.alsoClears(clear);
  const toggle = (number) => { if (!chosen.delete(number)) chosen.add(number); show(); };

  let outline = null;
  const line = svg("polygon", { "vector-effect": "non-scaling-stroke" });
  const field = el("div.map-field", { title: "draw a line around pictures to choose them" });
  const placed = (event) => {
    const box = field.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };
  const drawing = () => outline !== null && outline.pixels > MOVED_PX;
  field.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || (event.pointerType === "touch" && !pen.matches("[aria-pressed=true]"))) return;
    outline = { path: [placed(event)], pixels: 0 };
    event.preventDefault();  // pictures aren't dragged
  });
  window.addEventListener("pointermove", (event) => {
    if (outline === null) return;
    outline.path.push(placed(event));
    outline.pixels += Math.hypot(event.movementX, event.movementY);
    line.setAttribute("points", outline.path.map(([x, y]) => `${1000 * x},${1000 * y}`).join(" "));
  });
  const end = () => { outline = null; line.setAttribute("points", ""); };
  window.addEventListener("pointercancel", end);
  window.addEventListener("pointerup", () => {
    if (drawing()) {
      all.filter((number) => inside(content.map[number], outline.path)).forEach((number) => chosen.add(number));
      show();
    }
    setTimeout(end);  // after the click that ends it
  });

  for (const number of all) {
    const { url, key } = content.pictures[number];
    const [across, down, kind] = content.map[number];
    const point = el(`button.point.is-${kind}${rejected.has(number) ? ".is-rejected" : ""}`, {
      type: "button", "aria-label": key, title: key, style: { left: `${100 * across}%`, top: `${100 * down}%` },
      onclick: (event) => {
        if (drawing()) return;
        if (event.shiftKey) toggle(number);
        else lightbox.open(together(number), number);
      },
      onpointerenter: () => light(number, true), onpointerleave: () => light(number, false),
      onfocus: () => light(number, true), onblur: () => light(number, false),
    }, el("img", { src: url, alt: "", decoding: "async", draggable: "false" }));
    points.set(number, point);
  }
  const pen = el("button.chip", { type: "button", "aria-pressed": "false", onclick: () => {
    const on = !pen.matches("[aria-pressed=true]");
    pen.setAttribute("aria-pressed", String(on));
    field.classList.toggle("drawn-on", on);
  } }, "Draw with a finger");
  fill(field, {}, [...points.values(), svg("svg", { class: "lasso", viewBox: "0 0 1000 1000", preserveAspectRatio: "none", "aria-hidden": "true" }, line)]);
  return el("figure.map", {}, bar, field,
    el("figcaption", {}, KINDS.map(([kind, label]) => [el(`i.key.is-${kind}`), label]), pen,
      el("span.how", {}, "Draw a line around pictures, or click them with shift, to choose some.")));
};
