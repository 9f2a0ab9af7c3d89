// Turns the results of all servers into a verdict, in plain words, and into the report. Pure: nothing
// is contacted.

import { diagnose, isRefusal } from "./diagnosis.js";
import { inWords, place } from "./servers.js";

/** Diagnoses of a call that was heard. */
const WORKING = ["works", "loss", "private-relay", "other-relay"];

/** Return the verdict on all results: level, headline, and a list of problems. */
export function judge(results, policy = "all") {
  const judged = results.map((one) => ({ server: one.server, ...diagnose(one, results) }));
  const turn = judged.filter((one) => one.server.kind === "turn");
  const works = turn.filter((one) => WORKING.includes(one.word));
  const problems = judged
    .filter((one) => one.level !== "ok")
    .map((one) => ({
      level: one.level, advice: one.advice, text: sentence([one]), of: one,
    }));
  const said = headline(judged, turn, works, policy);
  return { ...said, problems, limits: works.length ? LIMITS : "" };
}

/** A browser is never where a desktop is. */
const LIMITS =
  "This is what a browser sees. A desktop reaches these servers by another route: run " +
  "'abcwebrtc probe --desktop' in a desktop's pod to test that.";

function headline(judged, turn, works, policy) {
  if (!judged.length) {
    return bad("There is no STUN or TURN server in od.config, so there is nothing to test.");
  }
  if (!turn.length) return headlineOfStun(judged, policy);
  if (!works.length && judged.some((one) => one.word === "stopped" || one.word === "untried")) {
    return { level: "none", headline: "Stopped before there was a verdict." };
  }
  const perhaps = turn.filter((one) => one.level === "warning");
  const refused = judged.filter((one) => one.word === "bad-url");
  if (refused.length && (works.length || perhaps.length)) return headlineOfRefused(refused);
  if (!works.length && perhaps.length) return headlineOfPerhaps(perhaps);
  const inside = turn.filter((one) => one.heard);
  if (!works.length && inside.length) return headlineOfInside(inside);
  if (!works.length) {
    return bad("Sound will not work from this network: no TURN server works.");
  }
  const level = judged.every((one) => one.level === "ok") ? "ok" : "warning";
  return { level, headline: headlineOfWorking(works) };
}

/** A browser uses the first transport that connects, even if packets are lost on it. */
function headlineOfWorking(works) {
  const here = "from this network over";
  const torn = works.filter((one) => one.word === "loss");
  const whole = works.filter((one) => one.word !== "loss");
  const condition = conditionOf(works);
  if (!whole.length) return `Sound will have gaps ${here} ${labelsOf(torn)}${condition}.`;
  const rest = torn.length ? `, and have gaps over ${labelsOf(torn)}` : "";
  return `As far as a browser can tell, sound will work ${here} ${labelsOf(whole)}${rest}${condition}.`;
}

/** A call within a server proves nothing about a desktop elsewhere, so every headline has this. */
function conditionOf(works) {
  const doubtful = works.filter((one) => one.doubtful);
  if (!doubtful.length) return "";
  const addresses = inWords([...new Set(doubtful.map((one) => one.doubtful))]);
  const only = doubtful.length < works.length ? `; over ${labelsOf(doubtful)} only` : ",";
  return `${only} if the desktop can send to ${addresses}`;
}

/** A call from relay to relay was heard, but nothing from outside reached a relay. */
function headlineOfInside(inside) {
  return bad(
    `Sound will work from this network over ${labelsOf(inside)} only if the desktop has a relay ` +
    "on the same server: data from outside does not reach the relay.",
  );
}

const bad = (text) => ({ level: "error", headline: text });

const labelsOf = (judged) => inWords(judged.map((one) => one.server.label));

/** Browsers refuse a whole rtc_configuration because of one url that they don't accept. */
function headlineOfRefused(refused) {
  const urls = inWords(refused.map((one) => one.server.url));
  return bad(`Sound will not work in this browser: it refuses any configuration that has ${urls}.`);
}

function headlineOfPerhaps(perhaps) {
  const isMute = perhaps.every((one) => one.word === "no-output");
  const why = isMute ? "this browser has no audio output" : "no call could be tried";
  const text = `Sound may work from this network over ${labelsOf(perhaps)}: ${why}.`;
  return { level: "warning", headline: text };
}

function headlineOfStun(judged, policy) {
  if (policy === "relay") {
    return bad("Sound will not work: iceTransportPolicy is 'relay', and there is no TURN server.");
  }
  if (judged.some((one) => one.level !== "error")) {
    return {
      level: "warning",
      headline: "Sound works only where no relay is needed: there is STUN, but no TURN server.",
    };
  }
  return bad(
    "Sound is unlikely to work from this network: STUN fails, and there is no TURN server.",
  );
}

/** Return what is wrong with servers that have the same fault. */
function sentence(judged) {
  const [{ word, message, level }] = judged;
  if (word === "stopped" || level === "warning") return `${labelsOf(judged)}: ${message}.`;
  return `${labelsOf(judged)} ${judged.length > 1 ? "fail" : "fails"}: ${message}.`;
}

const groupsOf = (list, key) =>
  [...new Set(list.map(key))].map((value) => list.filter((one) => key(one) === value));

/**
 * Return {advice, labels, texts} of problems: each piece of advice once, with the servers it is for.
 *
 * A problem without advice gets an entry of its own.
 */
export function byAdvice(problems) {
  const all = problems.map(({ advice, of }) => ({ ...of, advice }));
  return groupsOf(all, (one) => one.advice || one.message).map((group) => ({
    advice: group[0].advice,
    labels: labelsOf(group),
    texts: groupsOf(group, (one) => `${one.level} ${one.message}`).map(sentence),
  }));
}

// the report as plain text, for a ticket; it holds no login

/** Return the report; `facts` are pairs of a name and a text, such as the browser. */
export function reportText(verdict, results, facts) {
  const lines = [verdict.headline, ...(verdict.limits ? [verdict.limits] : []), ""];
  lines.push(...facts.map(([name, text]) => `${name}: ${text}`));
  const advised = byAdvice(verdict.problems ?? []).filter(({ advice }) => advice);
  if (advised.length) lines.push("", "What to do:");
  lines.push(...advised.map(({ labels, advice }) => `  ${labels}: ${advice}`));
  for (const result of results) lines.push("", ...serverLines(result, results));
  return `${lines.join("\n")}\n`;
}

function serverLines(result, results) {
  const { level, word, message } = diagnose(result, results);
  const { label, url } = result.server;
  return [
    `${label}  ${url}`,
    `  ${level === "ok" ? "" : `${level}: `}${word}: ${message}`,
    ...result.candidates.map(
      (one) => `  candidate ${one.type} ${place(one)} ${one.protocol} ${one.ms} ms`,
    ),
    ...(result.candidates.length ? [] : errorLines(result.errors, word)),
    ...(result.call ? [`  call: ${callText(result).join(", ")}`] : []),
    ...(result.call && result.call.state !== "connected" ? errorLines(result.call.errors, word) : []),
  ];
}

/**
 * Return the errors that explain why a server gave nothing.
 *
 * Browsers report more: a name with addresses of one family gives an error for the other one, and
 * errors beside an answer of the server explain nothing.
 */
function errorLines(errors, word) {
  const refusals = errors.filter(isRefusal);
  const isLookup = ({ text }) => /host lookup/i.test(text) && !word.startsWith("no-name");
  const matter = refusals.length ? refusals : errors.filter((one) => !isLookup(one));
  return matter.map(({ code, text }) => `  error ${code} ${text || "(the browser gives no reason)"}`);
}

/** Return the measurements of a call, a few words each. */
export function callText({ call, outside }) {
  const all = call.packetsLost + call.packetsReceived;
  return [
    call.ms === null ? call.state : `${call.state} after ${call.ms} ms`,
    call.heard ? `tone of ${call.hz} Hz` : call.noOutput ? "no audio output" : "no tone",
    all ? `${call.packetsLost} of ${all} packets lost` : "no packets",
    ...(call.roundTripMs === null ? [] : [`round trip ${call.roundTripMs} ms`]),
    ...(call.relayProtocol ? [`relay over ${call.relayProtocol.toUpperCase()}`] : []),
    ...(call.state === "connected" ? [`from outside: ${outside?.state ?? "untried"}`] : []),
  ];
}
