// Follows the state, draws it, says in words what is going on, and presses the switches.
import { drawChart } from "./chart.js";
import { drawWall, whenOpened } from "./wall.js";
import { breaks, broken, element, groups, listed, plural } from "./words.js";

const SIDES = ["without", "with"], KEPT = 600;
const at = id => document.getElementById(id);
let samples = [], state = null;

const press = (part, value) => fetch(`/set/${part}/${value}`, { method: "POST" });

function makeSwitches() {
  for (const [of, title] of groups) {
    const group = element("fieldset", {}, element("legend", { textContent: title }));
    for (const [key, { name, means, of: whose, main }] of Object.entries(breaks))
      if (whose === of) {
        const button = element("button", { type: "button", value: key, title: means, className: main ? "main" : "" },
          element("b", { textContent: name }), element("small", { textContent: means }));
        button.addEventListener("click", () => { press(...key.split("/")); toWalls(); });
        group.append(button);
      }
    at("switches").append(group);
  }
  for (const button of document.querySelectorAll("button[data-press]"))
    button.addEventListener("click", () => press("all", button.dataset.press));
}

/** On a phone the walls are further down than the switches. */
function toWalls() {
  if (at("sides").getBoundingClientRect().top > innerHeight * 0.6)
    at("now").scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
}

function draw() {
  for (const side of SIDES) {
    drawWall(side, state);
    drawChart(side, samples);
    drawPeople(side);
    for (const name of ["online", "erased", "asking", "signed_out"]) {
      const counter = at(`${side}-${name}`), value = state[side].counts[name];
      counter.textContent = value;
      counter.parentElement.classList.toggle("some", value > 0);
    }
    const { kept } = state[side].counts;
    at(`${side}-kept`).textContent = kept ? `online, ${kept} wait` : "online";
  }
  for (const button of at("switches").querySelectorAll("button")) {
    const [part, word] = button.value.split("/");
    button.setAttribute("aria-pressed", String(state.faults[part] === word));
  }
  sayNow();
}

function drawPeople(side) {
  const people = state[side].people.map(({ name, mood, answer }) => element("li",
    { className: mood, title: `last answer: ${answer}` }, `${name}: ${{ well: "signed in", waiting: "signed in, waits", out: "signed out" }[mood]}`));
  at(`${side}-people`).replaceChildren(...people);
}

/** Who cannot work until somebody helps, in words; empty: nobody. */
function out(side) {
  const { counts, people } = state[side];
  const signedOut = people.filter(person => person.mood === "out").length;
  return listed([counts.asking && `${plural(counts.asking, "display")} waiting for somebody with a PIN`,
    signedOut && `${plural(signedOut, "person", "people")} signed out`].filter(Boolean));
}

/** What is broken is seen on the displays, on the people, or on the right alone: what was erased before shows no break. */
function whereToLook(faults) {
  if (!faults.some(({ of }) => of === "service")) return "Watch the people below the walls.";
  const before = samples.findLast(({ broken }) => broken.length === 0)?.without.asking ?? 0;
  if (before * 2 < state.without.displays.length) return "";
  return `${plural(before, "display")} on the left had been erased before and cannot show it: to compare, heal, and send technicians first.`;
}

function sayNow() {
  const faults = broken(state.faults), left = out("without"), right = out("with");
  const now = at("now");
  now.className = faults.length ? "broken" : left ? "after" : "";
  at("heal").hidden = !faults.length;
  at("technicians").hidden = faults.length > 0 || !(left || right);
  at("technicians").disabled = state.technicians;
  at("technicians").textContent = state.technicians ? "Technicians are on their way …" : "Send technicians";
  at("heals").textContent = state.heals_in ? `Heals by itself in ${state.heals_in} s.` : "";
  if (faults.length) return say(listed(faults.map(fault => fault.title)) + ". ", [...faults.map(fault => fault.means), whereToLook(faults)].join(" "));
  const revoked = state.revoked ? ` ${state.revoked} was revoked on the right: ${state.with.counts.asking ? "its 401 is true" : "it is told 503 for a while, in case that was a mistake"}.` : "";
  if (left || right)
    return say("Everything works again. Still out: ", `without Candor ${left || "nobody"}; with Candor ${right || "nobody"}.${revoked}`);
  const once = state.without.counts.erased + state.without.counts.signed_out > 0;
  say(once ? "Everybody is back at work. " : "Everything works. ", `${once ? `On the left people typed ${plural(state.without.counts.typed, "PIN")} for it. ` : ""}Break something and watch both walls.${revoked}`);
}

function say(strong, text) {
  at("said").replaceChildren(element("b", { textContent: strong }), text);
}

async function follow() {
  makeSwitches();
  whenOpened(() => state && draw());
  addEventListener("resize", () => state && SIDES.forEach(side => drawChart(side, samples)));
  for (let edition = 0; ;) {
    try {
      if (edition === 0) samples = await (await fetch("/history")).json();
      state = await (await fetch(`/state?after=${edition}`)).json();
      edition = state.edition;
      if (samples.at(-1)?.at !== state.at) samples.push(sampleOf(state));
      samples.splice(0, samples.length - KEPT);
      draw();
    } catch {
      edition = 0;
      at("now").className = "after";
      say("The demonstration has ended. ", "Start it again by make demo.");
      await new Promise(again => setTimeout(again, 1000));
    }
  }
}

function sampleOf({ at, faults, without, with: ours }) {
  const broken = Object.entries(faults).filter(([, word]) => word !== "healthy").map(([part, word]) => `${part}/${word}`);
  return { at, broken, without: without.counts, with: ours.counts };
}

follow();
