// Words findings with the table of causes, as abcwebrtc probe does. Pure.

import table from "./causes.js"; // abcwebrtc/probe/causes.json, as serve gives it to browsers
import { inWords } from "./servers.js";

const filled = (text, facts) =>
  text.replace(/\{(\w+)\}/g, (_, name) => {
    if (!(name in facts)) throw new Error(`no ${name} was given`);
    return String(facts[name]);
  });

/** Return a cause by its key: level, word, message, advice. */
export function cause(key, facts = {}) {
  const { level = "error", message, cure } = table.causes[key];
  const [word] = key.split("/");
  return { level, word, message: filled(message, facts), advice: asSentence(filled(cure, facts)) };
}

/** Return the key of the cause of a STUN error code. */
export const causeOf = (code) => table.codes[code] ?? "stun-error";

/** Return a part of a sentence by its key. */
export const clause = (key, facts = {}) => filled(table.clauses[key], facts);

/** Words of causes without an answer from a STUN server. */
export const UNANSWERED = table.unanswered;

/** Words of causes that concern no single port, or were seen later than other ports answered. */
export const ELSEWHERE_TOO = table["elsewhere-too"];

/** Return a text as a sentence, with a capital and a full stop. */
export function asSentence(text) {
  if (!text) return "";
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.?!]$/.test(capital) ? capital : `${capital}.`;
}

/** Return how a server is reached: "TLS port 5349". */
export const portOf = ({ secure, transport, port }) =>
  `${secure && transport === "tcp" ? "TLS" : transport.toUpperCase()} port ${port}`;

/** Return where a server is: "a.example, UDP port 3478". */
export const whereOf = (server) => `${server.host}, ${portOf(server)}`;

/** Return the end of a sentence that says where else a host works or answers. */
export const elsewhere = (key, servers) =>
  clause(key, { places: inWords([...new Set(servers.map((one) => `on ${portOf(one)}`))]) });

export const HERE = "this browser";
