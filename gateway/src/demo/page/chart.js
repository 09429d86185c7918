// How many displays of each side were online over the last minutes, as stacked areas, drawn from the samples.
import { breaks, plural } from "./words.js";

const WINDOW = 5 * 60e3, SHORTEST = 60e3, HEIGHT = 128, LEFT = 26, RIGHT = 6, TOP = 20, BOTTOM = 20;
const AREAS = [["online", "online"], ["kept", "keeps what it has"], ["asking", "erased"]];

const svg = (name, attributes, text) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
};

/** Draws `samples` of `side` into its figure. */
export function drawChart(side, samples) {
  const figure = document.getElementById(`${side}-chart`);
  const width = Math.max(figure.clientWidth, 120), last = samples.at(-1);
  if (!last) return;
  const from = Math.min(last.at - SHORTEST, Math.max(samples[0].at, last.at - WINDOW));
  const shown = samples.filter(sample => sample.at >= from);
  const total = Math.max(1, last[side].online + last[side].kept + last[side].asking);
  const x = at => LEFT + (at - from) / (last.at - from) * (width - LEFT - RIGHT);
  const y = count => TOP + (1 - count / total) * (HEIGHT - TOP - BOTTOM);
  const counts = last[side];
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img",
    "aria-label": `Now ${counts.online} of ${total} displays online, ${counts.kept} keep what they have, ${counts.asking} are erased` });
  for (const count of [0, total / 2, total]) {
    drawing.append(svg("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(count), y2: y(count) }));
    drawing.append(svg("text", { class: "tick", x: LEFT - 5, y: y(count) + 4, "text-anchor": "end" }, count));
  }
  let below = shown.map(() => 0);
  for (const [key] of AREAS) {
    const above = shown.map((sample, index) => below[index] + sample[side][key]);
    const line = (heights, order) => order.map(index => `${x(shown[index].at).toFixed(1)},${y(heights[index]).toFixed(1)}`);
    const order = [...shown.keys()];
    drawing.append(svg("polygon", { class: key, points: [...line(above, order), ...line(below, order.toReversed())].join(" ") }));
    below = above;
  }
  bands(shown).forEach(band => drawBand(drawing, band, x, width));
  times(drawing, from, last.at, x);
  figure.replaceChildren(drawing);
}

/** What was broken from when to when. */
function bands(samples) {
  const found = [];
  for (const sample of samples) {
    const label = sample.broken.map(word => breaks[word]?.short ?? word).join(" + ");
    const open = found.at(-1);
    if (open && open.label === label && !open.closed) open.to = sample.at;
    else {
      if (open && !open.closed) { open.closed = true; open.to = sample.at; }
      if (label) found.push({ label, from: sample.at, to: sample.at });
    }
    if (!label && open) open.closed = true;
  }
  return found;
}

function drawBand(drawing, { label, from, to }, x, width) {
  const [left, right] = [x(from), x(to)];
  drawing.append(svg("rect", { class: "band", x: left, y: TOP - 4, width: Math.max(1, right - left), height: 4 }));
  if (label.length * 6 > right - left + 36) return;
  const middle = Math.min(Math.max((left + right) / 2, label.length * 3.6), width - label.length * 3.6);
  drawing.append(svg("text", { class: "label", x: middle, y: TOP - 8, "text-anchor": "middle" }, label));
}

function times(drawing, from, to, x) {
  const minutes = Math.floor((to - from) / 60e3);
  for (let minute = 0; minute <= minutes; minute++) {
    const at = to - minute * 60e3;
    const anchor = minute === 0 ? "end" : "middle";
    if (x(at) < LEFT + 24 && minute > 0) continue;
    drawing.append(svg("text", { class: "tick", x: x(at), y: HEIGHT - 5, "text-anchor": anchor },
      minute === 0 ? "now" : `${plural(minute, "minute")} ago`.replace(/ minutes? ago/, " min ago")));
  }
}
