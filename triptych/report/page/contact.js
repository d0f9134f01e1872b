// The contact sheet on the first screen: some sets as pictures, beside the key numbers.

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
