// From what was seen to what it means, in plain words. Pure: nothing is contacted.
//
// A result is {server, candidates, errors, ended, call, look}: `server` is one of listServers(),
// `errors` are {code, text} of icecandidateerror, `ended` is "complete", "limit", "stopped" or
// "refused", `call` is null or what callThrough() returns, `look` is null or what the server of
// this page saw at the server's TLS port. The words are those of docs/probe.md.

import { isAddress } from "./servers.js";

const LOSS = 0.05; // more lost packets than this are heard

const finding = (level, word, message, advice = "") => ({ level, word, message, advice });
const fault = (word, message, advice) => finding("error", word, message, advice);

/** Return what one result means: level ("ok", "warning", "error"), word, message, advice. */
export function diagnose(result, all = [result]) {
  const { server, ended } = result;
  if (ended === "refused") {
    const isStuns = server.kind === "stun" && server.secure;
    const advice = isStuns
      ? "Firefox knows no stuns. Write stun, or take it out."
      : "Run abcwebrtc check --strict od.config.";
    return fault("bad-url", "this browser refuses the url", advice);
  }
  const found = server.kind === "turn" ? diagnoseTurn(result, all) : diagnoseStun(result, all);
  if (found.level === "error" && ended === "stopped" && !result.errors.length) {
    return finding("none", "stopped", "stopped before there was an answer");
  }
  return found;
}

function diagnoseStun(result, all) {
  const own = result.candidates.find((one) => one.type === "srflx");
  if (own) return finding("ok", "works", `it answers, and sees this network as ${own.address}`);
  if (result.errors.length || result.ended !== "complete") return diagnoseErrors(result, all);
  return finding("ok", "works", "no other address than this machine's own, so there is no NAT");
}

function diagnoseTurn(result, all) {
  if (!hasRelay(result)) return diagnoseErrors(result, all);
  const { call } = result;
  if (!call || (call.state === "stopped" && !call.heard)) {
    return finding("warning", "untried", "it gives a relay; the call was not tried");
  }
  return diagnoseCall(call);
}

function diagnoseCall(call) {
  const refusal = call.errors.find((one) => one.code >= 400 && one.code < 700);
  if (call.state === "failed" && refusal) return noSecondRelay(refusal);
  if (call.state === "failed") {
    return fault(
      "no-data",
      "it gives a relay, but data sent to it does not arrive",
      "Open coturn's relay ports (min-port to max-port, UDP), and look at external-ip and " +
        "denied-peer-ip: this test sends from the server's relay to the server's relay.",
    );
  }
  if (call.noOutput) {
    const message = "the call connects, but this browser has no audio output, so it plays no tone";
    const advice = "Connect a loudspeaker or headphones, or try another browser.";
    return finding("warning", "no-output", message, advice);
  }
  if (!call.packetsReceived) {
    const message = "the call connects, but no sound arrives";
    return fault("no-data", message, "Try again; look for packet loss.");
  }
  if (!call.heard) {
    return fault(
      "silence",
      "sound arrives through the relay, but the tone can't be made out in it",
      "Try another browser, and look for packet loss.",
    );
  }
  const share = call.packetsLost / (call.packetsLost + call.packetsReceived);
  if (share > LOSS) {
    const message = `the tone arrives, but ${Math.round(share * 100)} % of it was lost on the way`;
    return finding("warning", "loss", message, "Look for a slow or overloaded network.");
  }
  return finding("ok", "works", "the tone arrives through the relay");
}

function noSecondRelay({ code }) {
  const [word, , advice] = REFUSALS[code] ?? ["stun-error", "", "Read coturn's log."];
  const message = `it gives a relay, but no second one to call it from (${code})`;
  return finding("warning", word, message, advice);
}

function diagnoseErrors(result, all) {
  const refusal = result.errors.find((one) => one.code >= 300 && one.code < 700);
  if (refusal) return refused(refusal);
  const missing = nameMissing(result);
  if (missing) return fault("no-name", missing, "Correct the name, or the DNS.");
  if (result.server.secure && result.errors.length) return tlsFailed(result, all);
  if (result.server.transport === "tcp" && result.errors.length) return notReached(result, all);
  if (isSkippedAddress(result)) {
    const message = `this browser tries TLS with a name only, not with ${result.server.host}`;
    return fault("tls-address", message, "Write a name of its certificate into the url.");
  }
  if (result.ended === "complete" && !result.errors.length) {
    const message = "the browser gathers nothing, and does not say why";
    return fault("nothing", message, "Run abcwebrtc probe od.config.");
  }
  return noAnswer(result, all);
}

/**
 * Return what is wrong with the name, or "". Chromium has a text for it, Firefox 701 without any.
 *
 * A name with addresses of one family only has this error for the other one, and goes on, over UDP
 * for longer than is waited for. Over TCP a closed port gives Firefox the same 701.
 */
function nameMissing({ server, ended, errors }) {
  if (ended !== "complete") return "";
  const text = `the name ${server.host} does not resolve`;
  if (errors.some((one) => /host lookup/i.test(one.text))) return text;
  const isMute = errors.some((one) => one.code === 701 && !one.text);
  if (!isMute || server.transport !== "udp" || isAddress(server.host)) return "";
  return `${text}, or to nothing that can be reached`;
}

/** Say whether this is what Firefox does with an address in a turns url: nothing, at once. */
const isSkippedAddress = ({ server, ended, errors }) =>
  server.secure && isAddress(server.host) && ended === "complete" && !errors.length;

const REFUSALS = {
  300: ["redirect", "it sends browsers to another server (300)", "Write that server's url."],
  400: ["bad-request", "it finds the request bad (400)", "Change the username style."],
  401: [
    "wrong-login",
    "it refuses the credential (401)",
    "Its static-auth-secret is another one than in od.config, or its clock is ahead by more than " +
      "the ttl. abcwebrtc probe od.config tells the two apart.",
  ],
  403: ["forbidden", "it forbids this (403)", "Look at denied-peer-ip in turnserver.conf."],
  437: ["mismatch", "it has a relay for this address already (437)", "Wait ten minutes."],
  442: [
    "no-udp-relay",
    "it gives no relays over UDP (442)",
    "Take no-udp-relay out of turnserver.conf.",
  ],
  486: [
    "quota",
    "it gives this user no more relays (486)",
    "Raise user-quota or total-quota in turnserver.conf.",
  ],
  508: [
    "capacity",
    "it has no relay port left (508)",
    "Widen min-port to max-port in turnserver.conf.",
  ],
};

function refused({ code }) {
  const unknown = ["stun-error", `it answers with error ${code}`, "Read coturn's log."];
  return fault(...(REFUSALS[code] ?? unknown));
}

const TLS_ADVICE = {
  "certificate-expired": "Renew it, and restart coturn.",
  "certificate-name": "Get one for that name, or write its name into the url.",
  "certificate-not-yet": "Look at the clocks.",
  "certificate-self-signed": "Get one from an authority that browsers know.",
  "certificate-untrusted": "Give coturn one that browsers trust, with its whole chain.",
};

function tlsFailed(result, all) {
  const { server, look } = result;
  const here = `TLS to ${server.host} port ${server.port}`;
  if (look && look.word in TLS_ADVICE) return fault(look.word, look.message, TLS_ADVICE[look.word]);
  if (look?.word === "trusted") {
    return fault(
      "tls",
      `${here} fails from this network, but works from the machine of abcwebrtc serve`,
      "Look for a firewall, or a proxy that opens TLS; does this browser know the certificate's " +
        "authority?",
    );
  }
  if (look) {
    const advice = "Is coturn running, with cert, pkey and this tls-listening-port?";
    return fault(look.word, look.message, advice);
  }
  const advice = "Is the certificate trusted, and for this name? Does coturn listen there?";
  return fault("tls", `${here} fails${answersElsewhere(result, all)}`, advice);
}

function notReached(result, all) {
  const { host, port } = result.server;
  return fault(
    "unreachable",
    `no TCP connection to ${host} port ${port}${answersElsewhere(result, all)}`,
    "Is the server running, and the name right? Look for a firewall.",
  );
}

function noAnswer(result, all) {
  const { host, port, transport } = result.server;
  const where = `${host}, ${transport.toUpperCase()} port ${port}`;
  return fault(
    "no-answer",
    `no answer from ${where}${answersElsewhere(result, all)}`,
    "Is the server running? Look for a firewall on the way.",
  );
}

function answersElsewhere(result, all) {
  const others = all.filter((one) => one !== result && one.server.host === result.server.host);
  const ports = others.filter(answered).map(({ server }) => {
    const name = server.secure ? "TLS" : server.transport.toUpperCase();
    return `${name} port ${server.port}`;
  });
  return ports.length ? `; the same host answers on ${inWords([...new Set(ports)])}` : "";
}

const answered = (result) =>
  result.candidates.some((one) => one.type !== "host") ||
  result.errors.some((one) => one.code < 700);

export const hasRelay = (result) => result.candidates.some((one) => one.type === "relay");

/** Return the verdict on all results: level, headline, and a list of notes. */
export function judge(results, policy = "all") {
  const judged = results.map((one) => ({ server: one.server, ...diagnose(one, results) }));
  const turn = judged.filter((one) => one.server.kind === "turn");
  const works = turn.filter((one) => one.level === "ok" || one.word === "loss");
  const notes = judged
    .filter((one) => one.level !== "ok")
    .map((one) => ({ level: one.level, advice: one.advice, text: sentence(one) }));
  return { ...headline(judged, turn, works, policy), notes };
}

function headline(judged, turn, works, policy) {
  if (!judged.length) {
    return bad("There is no STUN or TURN server in od.config, so nothing to test.");
  }
  if (!turn.length) return headlineOfStun(judged, policy);
  if (!works.length && judged.some((one) => one.word === "stopped" || one.word === "untried")) {
    return { level: "none", headline: "Stopped before there was a verdict." };
  }
  const perhaps = turn.filter((one) => one.level === "warning");
  const refused = judged.filter((one) => one.word === "bad-url");
  if (refused.length && (works.length || perhaps.length)) return headlineOfRefused(refused);
  if (!works.length && perhaps.length) return headlineOfPerhaps(perhaps);
  if (!works.length) {
    return bad("Sound will not work from this network: no TURN server works.");
  }
  const level = judged.every((one) => one.level === "ok") ? "ok" : "warning";
  return { level, headline: `Sound will work from this network over ${labelsOf(works)}.` };
}

const bad = (text) => ({ level: "error", headline: text });

const labelsOf = (judged) => inWords(judged.map((one) => one.server.label));

/** Browsers refuse an rtc_configuration as a whole, for one url that they don't take. */
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
  if (judged.some((one) => one.level === "ok")) {
    return {
      level: "warning",
      headline: "Sound works only where no relay is needed: there is STUN, and no TURN server.",
    };
  }
  return bad(
    "Sound will hardly work from this network: STUN fails, and there is no TURN server.",
  );
}

function sentence({ server, word, message, level }) {
  if (word === "stopped" || level === "warning") return `${server.label}: ${message}.`;
  return `${server.label} fails: ${message}.`;
}

/** Return "a", "a and b", or "a, b and c". */
export function inWords(words) {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}
