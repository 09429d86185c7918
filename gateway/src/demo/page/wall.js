// The two walls: each display as a small tablet, and what is said about one when it is pressed.
import { element } from "./words.js";

const pages = document.body.dataset;
const dialog = document.getElementById("one");
let opened = null;

/** Draws the displays of `side` as they are at `state`. */
export function drawWall(side, state) {
  const wall = document.getElementById(`${side}-wall`);
  while (wall.children.length < state[side].displays.length) wall.append(tablet(side, wall.children.length));
  state[side].displays.forEach((display, index) => fill(wall.children[index], display, state));
  if (opened?.side === side && dialog.open) describe(state[side].displays[opened.index], state);
}

function tablet(side, index) {
  const made = element("button", { type: "button", className: "tablet" });
  for (const name of ["room", "first", "second", "note"]) made.append(element("span", { className: name }));
  made.addEventListener("click", () => { opened = { side, index }; dialog.dataset.fresh = "yes"; dialog.showModal(); redraw(); });
  return made;
}

let redraw = () => {};
/** `again` draws the last state once more. */
export const whenOpened = again => { redraw = again; };

function fill(tablet, display, state) {
  const [room, first, second, note] = tablet.children;
  const said = says(display, state);
  const mood = `tablet ${display.mood} ${display.theme ? `theme-${display.theme}` : ""} ${wasNeverUsed(display) ? "fresh" : ""}`;
  if (tablet.className !== mood) tablet.className = mood;
  for (const [part, text] of [[room, display.room], [first, said.first], [second, said.second], [note, said.note]])
    if (part.textContent !== text) part.textContent = text;
  tablet.title = said.all;
  tablet.setAttribute("aria-label", `${display.room}: ${said.all}`);
}

function says(display, state) {
  const age = display.as_of === null ? 0 : Math.max(0, Math.round((state.at - display.as_of) / 1000));
  const how = display.erased_by ? "erased" : "new";
  switch (display.mood) {
    case "pin": return { first: display.erased_by ? "PIN" : "new: PIN", second: `${display.pin.slice(0, 3)} ${display.pin.slice(3)}`, note: "",
      all: `${how}; asks for somebody to type PIN ${display.pin}` };
    case "nopin": return { first: how, second: "no PIN", note: code(display.answer),
      all: `${how}, and cannot even show a PIN: ${display.answer}` };
    case "blank": return { first: "connecting …", second: "", note: "", all: `has a token, and no calendar yet: ${display.answer}` };
  }
  const now = display.meetings.find(meeting => meeting.start <= state.time && state.time < meeting.end);
  const next = display.meetings.find(meeting => meeting.start > state.time);
  const first = now ? now.title : "Free";
  const second = now ? `to ${now.end}` : next ? `to ${next.start}` : "to 24:00";
  const stale = display.mood === "kept";
  return { first, second, note: stale ? `${age} s old` : next ? `${next.start} ${next.title}` : "",
    all: stale ? `keeps today’s calendar, ${age} s old; last answer: ${display.answer}` : `online; ${first}, ${second}` };
}

const wasNeverUsed = ({ mood, erased_by }) => mood.endsWith("pin") && !erased_by;
const code = answer => /^\d{3}/.exec(answer)?.[0] ?? "no answer";

function describe(display, state) {
  const said = says(display, state), { side } = opened;
  const parts = [element("h2", { textContent: display.room }), element("p", { textContent: `${side === "with" ? "With" : "Without"} Candor: ${said.all}.` })];
  if (display.erased_by) parts.push(element("p", { textContent: `What made it erase itself: ${display.erased_by}` }));
  parts.push(element("p", {}, "Last answer: ", element("code", { textContent: display.answer })));
  const link = display.pin && pinPage(side, display);
  if (link) parts.push(element("p", {}, link));
  if (display.meetings.length) {
    const list = element("ol", {});
    for (const { start, end, title } of display.meetings) list.append(element("li", { textContent: `${start}–${end} ${title}` }));
    parts.push(element("p", { textContent: "What it shows of today:" }), list);
  }
  dialog.querySelector(".what").replaceChildren(...parts);
}

function pinPage(side, display) {
  const base = side === "with" ? pages.pinWith : pages.pinWithout;
  if (!base) return null;
  const href = `${base}?pin=${encodeURIComponent(display.pin)}&room=${encodeURIComponent(display.room)}`;
  return element("a", { href, target: "_blank", rel: "noopener", textContent: "Type this PIN (in a new tab)" });
}
