// Elements, numbers and words. Text only ever becomes text nodes, so nothing in a run is parsed as markup.

const content = JSON.parse(document.getElementById("content").textContent);
const ledger = content.ledger;

const fill = (node, attributes, children) => {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "style") for (const [key, setting] of Object.entries(value)) node.style.setProperty(key, setting);
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
};

// el("div.card.quiet", {title: "..."}, "text", child, [children])
const el = (selector, attributes, ...children) => {
  const [tag, ...classes] = selector.split(".");
  const node = document.createElement(tag || "div");
  if (classes.length) node.className = classes.join(" ");
  return fill(node, attributes, children);
};

const svg = (tag, attributes, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

const grouped = new Intl.NumberFormat("en");
const count = (value) => (value === null || value === undefined ? "–" : grouped.format(value));
const counted = (value, one, many) => `${count(value)} ${value === 1 ? one : many || one + "s"}`;
const cosine = (value) => value.toFixed(3);
const total = (parts) => Object.values(parts || {}).reduce((sum, value) => sum + value, 0);
const percent = (part, whole) => {
  if (!whole) return "–";
  const share = (100 * part) / whole;
  return share === 100 || share === 0 ? `${share}%` : `${share.toFixed(1)}%`;
};
const words = (name) => name.replaceAll("_", " ");
// Quoted for a shell, for commands that are copied.
const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`);

const jobOf = new Map(content.jobs.map((job) => [job.name, job]));
const jobLabel = (name) => jobOf.get(name)?.label ?? name;

const seconds = (value, digits = 1) => {
  if (value < 100) return `${value.toFixed(digits)} s`;
  if (value < 5940) return `${Math.round(value / 60)} min`;
  return value < 172800 ? `${(value / 3600).toFixed(1)} h` : `${(value / 86400).toFixed(1)} days`;
};

// The id of a card, for links to it.
const anchor = (kind, id) => `${kind}-${encodeURIComponent(id)}`;

// A name from the run, isolated so that right-to-left scripts don't reorder the text around it.
const name = (text, selector = "bdi.name") => el(selector, { title: text }, text);
