// The lightbox: an enlarged picture, and the others of its card; and the list of keys.

// A click outside closes it, too.
const dialog = (kind, label, ...children) => {
  const box = el(`dialog.${kind}`, { "aria-label": label }, children,
    el("button.close", { type: "button", "aria-label": "close", onclick: () => box.close() }, "×"));
  box.addEventListener("click", (event) => { if (event.target === box) box.close(); });
  return box;
};

const lightbox = (() => {
  let shown = [];
  let at = 0;
  const picture = el("img", {});
  const caption = el("figcaption", {});
  const step = (by) => show((at + by + shown.length) % shown.length);
  const arrow = (label, sign, by) => el("button.arrow", { type: "button", "aria-label": label, onclick: () => step(by) }, sign);
  const arrows = [arrow("previous picture", "‹", -1), arrow("next picture", "›", 1)];
  const box = dialog("lightbox", "picture", arrows[0], el("figure", {}, picture, caption), arrows[1]);
  box.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, k: -1, j: 1 }[event.key];
    if (by) step(by);
  });

  const show = (index) => {
    at = index;
    const { url, key, width_px: width, height_px: height } = content.pictures[shown[at]];
    picture.src = content.live ? live.address(content.pictures[shown[at]]) : url;
    picture.onerror = () => { picture.onerror = null; picture.src = url; };
    picture.alt = key;
    caption.replaceChildren(
      name(key), el("small", {}, width && `${width} × ${height}`, shown.length > 1 && ` · ${at + 1} of ${shown.length}`),
      el("code", {}, `triptych explain ${quoted(content.identity.name)} ${quoted(key)}`));
    arrows.forEach((each) => { each.hidden = shown.length < 2; });
  };

  // `numbers`: the pictures that the arrows step through.
  const open = (numbers, number) => {
    shown = numbers.filter((each) => content.pictures[each].url);
    show(shown.indexOf(number));
    if (!box.open) box.showModal();
  };
  return { box, open };
})();

const help = (() => {
  const keys = [["j or →", "next item"], ["k or ←", "previous item"], ["g", "good"], ["b", "bad"], ["u", "undo"], [`1 to ${content.reasons.length}`, `bad: ${content.reasons.join(", ")}`], ["e", "edit the caption"], ["/", "search"], ["Esc", "leave"], ["?", "this list"]];
  const box = dialog("help", "keys", el("h3", {}, "Keys"),
    el("dl.pairs", {}, keys.map(([key, meaning]) => el("div", {}, el("dt", {}, el("kbd", {}, key)), el("dd", {}, meaning)))),
    el("p.note", {}, `A click on a picture enlarges it. The number of a card, or its #, is a link to it. ${content.live ? "Votes are stored in the run" : "Votes stay in this browser until you download them"}: triptych report RUN --verdicts FILE turns them into a precision, triptych filter RUN --verdicts FILE acts on them.`));
  return { box, open: () => box.showModal() };
})();
