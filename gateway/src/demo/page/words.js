// Everything that can be broken, in words that need no explanation. The keys are those of the state.
export const breaks = {
  "monolith/replay": { name: "Replay January 2021", title: "January 2021, replayed", of: "service", main: true, short: "January 2021",
    means: "The service is half dead, as it was then: two in five answers are right, the others are 401, 403, 404, 500, a sign-in page, or silence." },
  "monolith/401": { name: "Refuses everybody", title: "The service refuses everybody", of: "service", short: "401 to all",
    means: "The service tells everybody “401, you are not signed in”. It is wrong: everybody is." },
  "monolith/500": { name: "Fails", title: "The service fails", of: "service", short: "500",
    means: "Every request to the service ends in “500, internal error”." },
  "monolith/down": { name: "Is down", title: "The service is down", of: "service", short: "down",
    means: "The service does not run: every connection to it breaks." },
  "monolith/hangs": { name: "Hangs", title: "The service hangs", of: "service", short: "hangs",
    means: "The service takes every request and never answers." },
  "provider/down": { name: "Is down", title: "The sign-in provider is down", of: "provider", short: "sign-in down",
    means: "The sign-in provider (such as Entra ID) cannot be reached: neither to sign in nor for its keys." },
  "provider/500": { name: "Fails", title: "The sign-in provider fails", of: "provider", short: "sign-in 500",
    means: "The sign-in provider answers everything with “500, internal error”." },
  "provider/nonsense-keys": { name: "Publishes nonsense keys", title: "The sign-in provider publishes nonsense keys", of: "provider", short: "bad keys",
    means: "The sign-in provider publishes keys by which no signature can be checked." },
  "store/down": { name: "Is locked", title: "The gates’ database is locked", of: "store", short: "database",
    means: "The gates’ own database, with sessions and revocations, cannot be read or written." },
};

export const groups = [["service", "The service behind"], ["provider", "The sign-in provider"], ["store", "The database"]];

/** The breaks that are on. */
export const broken = faults =>
  Object.entries(faults).map(([part, word]) => breaks[`${part}/${word}`]).filter(Boolean);

export const plural = (number, one, many = one + "s") => `${number} ${number === 1 ? one : many}`;

/** `parts` in a sentence. */
export const listed = parts =>
  parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`;

/** An element with these properties and children. */
export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}
