// The page: its sections in order, the navigation, light and dark.

const sampleNote = (shown, all, what) => {
  if (!shown.length) return `${all ? `None of the ${count(all)}` : "No"} ${what.split(",")[0]}${all ? " is shown yet" : ""}.`;
  if (shown.length >= all) return all === 1 ? "The only one." : `All ${count(all)} ${what}.`;
  const rareOnes = shown.filter((each) => each.how === "rare").length;
  return `${count(shown.length)} of ${count(all)} ${what}; drawn evenly by a hash of their names, the same ones every time` +
    (rareOnes ? `, except ${rareOnes}, added because ${rareOnes === 1 ? "its" : "their"} kind is rare.` : ".");
};

const searchNote = (shown, flags = "") => (shown.length ? ` Find others by words: triptych search ${quoted(content.identity.name)} "a dog"${flags}` : "");

const keptImages = (ledger.images.in_sets || 0) + (ledger.images.single || 0);
const allRejected = Object.values(ledger.jobs).reduce((sum, counts) => sum + total(counts.rejected), 0);
const allFailed = content.failures.reduce((sum, each) => sum + each.count, 0);

const ALL_SECTIONS = [
  ...(content.beside ? [["beside", "Side by side", content.beside.pairs.length, "The same images, captioned by two runs; drawn evenly by a hash of their names. The names of the runs appear once a pair is judged.", () => beside.section()]] : []),
  ["funnel", "Funnel", null, "What happened to every image and every planned caption, recounted from the files.", funnelSection],
  ["shapes", "Sets in numbers", null, "How large sets are, and how similar images are: by chance, to their nearest, within sets.", shapesSection],
  ["map", "Map", null, `The ${count(content.pictures.length)} pictures of this page by their embeddings: their first two principal components, spread evenly.`, mapSection],
  ["sets", "Sets", ledger.images.sets, sampleNote(content.sets, ledger.images.sets, "sets") + searchNote(content.sets, " --sets"),
    sortableSets],
  ["singles", "Images", keptImages, sampleNote(content.singles, keptImages, "images, in sets or not, with their captions") + searchNote(content.singles),
    () => (content.singles.length ? el("div.grid.singles", {}, content.singles.map(singleCard)) : el("p.none", {}, "No captions of images yet."))],
  ["rejected", "Rejected", allRejected, "By rule, with examples. Move a threshold to see what another one would reject; duplicates of captions, which are found last, don't count there.", rulesSection],
  ["screened", "Screened out", total(ledger.images.screened), "Images that are neither in a set nor captioned, by screen. Move a threshold to see what another one would leave out; to make the sets with it, set it and add --fresh sets.", screensSection],
  ["duplicates", "Duplicates", total(ledger.images.duplicates), sampleNote(content.duplicates, total(ledger.images.duplicates), "duplicates, each beside the image that is kept in its place"),
    () => el("div.grid.duplicates", {}, content.duplicates.map(duplicateCard))],
  ["failures", "Failures", allFailed, "Files that can't be read and captions that couldn't be made, by class.", failuresSection],
  ["throughput", "Throughput", null, "How long each stage took, as the run recorded it.", throughputSection],
  ["identity", "Identity", null, "What made this run, and the settings it was made with.", identitySection],
];

// Before samples are drawn, the other sections would say that there is nothing.
const SECTIONS = ALL_SECTIONS.filter(([id]) => content.has_samples || id === "identity");

const LIVE = ["live", "Live", null, "Counts, updated every few seconds; captions and failures as they are written.", () => live.panel()];

const themeSwitch = () => {
  const root = document.documentElement;
  const options = ["auto", "light", "dark"];
  const buttons = options.map((option) => el("button", { type: "button", onclick: () => set(option) }, option));
  const set = (option) => {
    if (option === "auto") delete root.dataset.theme;
    else root.dataset.theme = option;
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(options[i] === option)));
    stored.write("triptych-theme", option);
  };
  set(options.includes(stored.read("triptych-theme")) ? stored.read("triptych-theme") : "auto");
  return el("div.theme", { role: "group", "aria-label": "colours" }, buttons);
};

const masthead = () => el("header.masthead", {},
  el("div", {},
    el("p.label", {}, "Triptych report"),
    el("h1", {}, name(content.identity.name)),
    el("p.made-by", {}, "captions by ", el("b", {}, content.identity.model), ", grouped by ", el("b", {}, content.identity.encoder), ", report ", el("code", {}, content.identity.report))),
  themeSwitch());

const section = ([id, title, size, note, build]) => el("section.section", { id },
  el("div.section-head", {}, el("h2", {}, title, size !== null && size !== undefined && el("small", {}, count(size))), el("p", {}, note)),
  build());

const nav = () => el("nav", { "aria-label": "sections" }, search.node, [...(content.live ? [LIVE] : []), ...SECTIONS].map(([id, title, size]) =>
  el("a", { href: `#${id}` }, title, size !== null && size !== undefined && el("small", {}, count(size)))));

document.body.append(
  el("div.page", {}, nav(), el("main", {},
    masthead(),
    content.live && section(LIVE),
    content.identity.cautions.map((line) => el("p.notice", {}, line)),
    content.has_samples && [contactSheet(), filters.node()],
    SECTIONS.map(section))),
  el("footer", {}, review.dock()), lightbox.box, help.box);
// The cards exist only now: scroll to the one in the address.
if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();

const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.getAttribute("href").slice(1), link]));
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    links.forEach((link, id) => link.classList.toggle("here", id === entry.target.id));
    const link = links.get(entry.target.id);
    // On narrow screens the links are one line that scrolls, beside the search.
    link.parentElement.scrollLeft = link.offsetLeft - search.node.offsetWidth;
  }
}, { rootMargin: "-10% 0px -80% 0px" });
document.querySelectorAll("section.section").forEach((each) => watcher.observe(each));
