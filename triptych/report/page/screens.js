// Screens: the images that each leaves out, or would if it were on.

const screenedFigure = (each, pictures) => el("figure", {}, thumbnail(each.picture, pictures),
  el("figcaption", {}, keyOf(each.picture), el("small", {}, String(Number(each.value.toFixed(2))))));

const screenBlock = (screen) => {
  const pictures = screen.examples.map((each) => each.picture);
  const readable = ledger.images.found - total(ledger.images.unreadable);
  return el("div.rule.screen", {},
    el("h3", {}, words(screen.name), el("small", {}, screen.scores.is_off
      ? "off: nothing is left out by it" : `${counted(screen.count, "image")} left out`)),
    el("div.curves", {}, thresholdCurve(screen.name, screen.scores, "all images", readable, OF_IMAGES)),
    pictures.length > 0 && el("p.note", {}, screen.scores.is_off ? "Would be left out:" : "Left out:"),
    pictures.length > 0 && el("div.screened", {}, screen.examples.map((each) => screenedFigure(each, pictures))));
};

// Screens with anything to show; then, folded, the others.
const screensSection = () => {
  if (!content.screens.length) return el("p.none", {}, "The sets of this run were made by a version without screens.");
  const shown = content.screens.filter((screen) => screen.count || screen.examples.length);
  const others = content.screens.filter((screen) => !shown.includes(screen));
  return [
    shown.length ? shown.map(screenBlock) : el("p.none", {}, "No screen leaves out anything."),
    others.length > 0 && el("details.other-rules", {},
      el("summary", {}, "Screens that leave out nothing", el("small", {}, "and what other thresholds would")),
      others.map(screenBlock)),
  ];
};
