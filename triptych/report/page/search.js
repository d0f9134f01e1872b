// Search in captions and names; the order of sets. Cards that don't match are hidden, not removed.

const ORDERS = [
  ["as drawn", () => 0],
  ["tightest first", (a, b) => weakest(b) - weakest(a)],
  ["loosest first", (a, b) => weakest(a) - weakest(b)],
  ["most images first", (a, b) => b.pictures.length - a.pictures.length],
  ["longest caption first", (a, b) => longest(b) - longest(a)],
];
const longest = (set) => Math.max(0, ...set.captions.map((caption) => caption.text.length));

// A row of buttons of which one is pressed.
const chips = (label, options, choose) => {
  const buttons = options.map(([text], chosen) => el("button.chip", { type: "button", "aria-pressed": String(chosen === 0), onclick: () => {
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(i === chosen)));
    choose(chosen);
  } }, text));
  return el("div.chips", { role: "group", "aria-label": label }, buttons);
};

const sortableSets = () => {
  const cards = content.sets.map(setCard);
  const list = el("div.list", {}, cards);
  const reorder = (chosen) => {
    const order = content.sets.map((set, i) => [set, i]).sort(([a, i], [b, j]) => ORDERS[chosen][1](a, b) || i - j);
    list.replaceChildren(...order.map(([, i]) => cards[i]));
    review.sort();
  };
  return [cards.length > 1 && chips("order of sets", ORDERS, reorder), list];
};

const search = (() => {
  const found = el("output", {});
  const box = el("input", { type: "search", placeholder: "Search", "aria-label": "search captions and names" });
  const texts = new Map();

  const apply = () => {
    const wanted = box.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const cards = [...document.querySelectorAll("main .card")];
    let matches = 0;
    for (const card of cards) {
      if (!texts.has(card)) texts.set(card, card.textContent.toLowerCase());
      card.hidden = !filters.passes(card) || !wanted.every((word) => texts.get(card).includes(word));
      matches += !card.hidden;
    }
    const isChosen = wanted.length > 0 || filters.isActive();
    document.body.classList.toggle("searching", isChosen);
    found.textContent = isChosen ? `${count(matches)} of ${count(cards.length)} cards` : "";
    filters.say(filters.isActive() ? found.textContent : "");
    mark(wanted);
  };

  const rangesOf = (node, word) => {
    const lower = node.data.toLowerCase();
    const ranges = [];
    for (let start = lower.indexOf(word); start >= 0; start = lower.indexOf(word, start + word.length)) {
      const range = new Range();
      range.setStart(node, start);
      range.setEnd(node, Math.min(start + word.length, node.length));
      ranges.push(range);
    }
    return ranges;
  };

  // Highlights are painted over the text; the document doesn't change.
  const mark = (wanted) => {
    if (!CSS.highlights) return;
    CSS.highlights.delete("found");
    const ranges = [];
    for (const text of wanted.length ? document.querySelectorAll(".card:not([hidden]) .text") : []) {
      const walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT);
      while (walker.nextNode()) ranges.push(...wanted.flatMap((word) => rangesOf(walker.currentNode, word)));
    }
    if (ranges.length) CSS.highlights.set("found", new Highlight(...ranges));
  };

  box.addEventListener("input", () => { apply(); scrollTo(0, 0); });  // what is found comes first
  return { node: el("div.search", { role: "search" }, box, found), focus: () => box.focus(), apply };
})();
