// From what was seen of one server to what it means, in plain words. Pure: nothing is contacted.
//
// A result is {server, candidates, errors, ended, isMute, call, look}: `server` is one of
// listServers(), `errors` are {code, text} of icecandidateerror, `ended` is "complete", "limit",
// "stopped" or "refused", `isMute` says that this browser has no icecandidateerror, `call` is null
// or what callThrough() returns, `look` is null or what the server of this page saw at the server's
// TLS port. The words are those of docs/probe.md.

import { doubtOf } from "./relays.js";
import { inWords, isAddress } from "./servers.js";

const LOSS = 0.05; // more lost packets than this are heard

const finding = (level, word, message, advice = "") => ({ level, word, message, advice });
const fault = (word, message, advice) => finding("error", word, message, advice);

/**
 * Return what one result means: level ("ok", "warning", "error"), word, message, advice.
 *
 * `doubtful` is the address of a relay that works within its server, and perhaps nowhere else.
 */
export function diagnose(result, all = [result]) {
  const { server, ended } = result;
  if (ended === "refused") {
    const isStuns = server.kind === "stun" && server.secure;
    const advice = isStuns
      ? "Firefox knows no stuns. Write stun, or take it out."
      : "Browsers refuse the ports of other services: use 443, 3478 or 5349. Otherwise run " +
        "abcwebrtc check --strict od.config.";
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
  if (!result.candidates.some((one) => one.type === "host" && one.protocol === "UDP")) {
    return fault(
      "no-udp",
      "this browser gathers no address over UDP, not even its own",
      "Look for a policy (WebRtcIPHandling), a proxy setting or an add-on that restricts WebRTC.",
    );
  }
  if (result.isMute) {
    const message = "no other address than this machine's own: there is no NAT, or no answer";
    const advice = "This browser can't tell the two apart; abcwebrtc probe od.config can.";
    return finding("warning", "unsure", message, advice);
  }
  return finding("ok", "works", "no other address than this machine's own, so there is no NAT");
}

function diagnoseTurn(result, all) {
  if (!hasRelay(result)) return diagnoseErrors(result, all);
  const { call } = result;
  if (!call || (call.state === "stopped" && !call.heard)) {
    return finding("warning", "untried", "it gives a relay; the call was not tried");
  }
  const found = diagnoseCall(call);
  const doubt = found.level === "error" ? null : doubtOf(result, all);
  return doubt ? doubted(found, doubt) : found;
}

function doubted({ level, word, message, advice }, doubt) {
  const text = `${message}. A desktop may still not reach it: ${doubt.message}`;
  const todo = [advice, doubt.advice].filter(Boolean).join(" ");
  const found = finding("warning", level === "ok" ? doubt.word : word, text, todo);
  return { ...found, doubtful: doubt.address };
}

function diagnoseCall(call) {
  const refusal = call.errors.find((one) => one.code >= 400 && one.code < 700);
  if (call.state === "failed" && (refusal || call.lacksRelay)) return noSecondRelay(refusal);
  if (call.state === "failed") return notConnected(call);
  if (call.brokeOff) {
    return fault(
      "broke-off",
      "the tone arrives, and then stops",
      "Is the server still running, and this network still there? Look into coturn's log.",
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

function notConnected(call) {
  if (call.isReached) {
    return fault(
      "slow",
      "data passes through the relay, but the call does not connect in 20 seconds",
      "Look for packet loss, and for a slow network.",
    );
  }
  return fault(
    "no-data",
    "it gives a relay, but data sent to it does not arrive",
    "Open coturn's relay ports (min-port to max-port, UDP), and look at external-ip and " +
      "denied-peer-ip: this test sends from the server's relay to the server's relay. If the " +
      "others work, look for packet loss.",
  );
}

function noSecondRelay(refusal) {
  if (!refusal) {
    const message = "it gives a relay, but no second one to call it from, for no reason told";
    const advice = "Is it still running? Look at user-quota in turnserver.conf, or for packet loss.";
    return finding("warning", "no-second", message, advice);
  }
  const [word, , advice] = REFUSALS[refusal.code] ?? ["stun-error", "", "Read coturn's log."];
  const message = `it gives a relay, but no second one to call it from (${refusal.code})`;
  return finding("warning", word, message, advice);
}

function diagnoseErrors(result, all) {
  const { server, ended, errors } = result;
  const refusal = errors.find(isRefusal);
  if (refusal) return refused(refusal);
  const missing = nameMissing(result, all);
  if (missing) return fault("no-name", missing, "Correct the name, or the DNS.");
  if (!errors.length && isForbiddenPort(server)) return forbiddenPort(server);
  if (isSkippedAddress(result)) {
    const message = `this browser tries TLS with a name only, not with ${server.host}`;
    return fault("tls-address", message, "Write a name of its certificate into the url.");
  }
  if (server.secure && ended === "limit") return tlsSilent(result, all);
  if (server.secure && (errors.length || result.look)) return tlsFailed(result, all);
  if (ended === "complete" && server.transport === "tcp" && errors.length) {
    return notReached(result, all);
  }
  if (ended === "complete" && !errors.length) {
    const message = "the browser gathers nothing, and does not say why";
    return fault("nothing", message, "Run abcwebrtc probe od.config.");
  }
  return noAnswer(result, all);
}

/** Say whether an error is the server's answer, and not its silence. */
export const isRefusal = ({ code }) => code >= 300 && code < 700;

/** Chromium takes TURN at few of the low ports, and passes over the others without an error. */
const isForbiddenPort = ({ kind, port }) =>
  kind === "turn" && port < 1024 && ![80, 443].includes(port);

function forbiddenPort({ port }) {
  const message = `no answer, and Chromium uses no TURN server at port ${port}`;
  return fault("port", message, "Use port 443, 3478 or 5349.");
}

/**
 * Return what is wrong with the name, or "". Chromium has a text for it, Firefox 701 without any.
 *
 * A name with addresses of one family only has this error for the other one, and goes on, over UDP
 * for longer than is waited for. Over TCP a closed port gives Firefox the same 701, and over UDP
 * a firewall of its own machine.
 */
function nameMissing({ server, ended, errors }, all) {
  if (ended !== "complete") return "";
  const text = `the name ${server.host} does not resolve`;
  if (errors.some((one) => /host lookup/i.test(one.text))) return text;
  const isMute = errors.some((one) => one.code === 701 && !one.text);
  if (!isMute || server.transport !== "udp" || isAddress(server.host)) return "";
  if (all.some((one) => one.server.host === server.host && answered(one))) return "";
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
  440: [
    "address-family",
    "it has no relay of IPv4 for this browser (440)",
    "Write a relay-ip of IPv4 into turnserver.conf, or allocation-default-address-family=keep.",
  ],
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

/** What is wrong with a certificate for everybody, and does not depend on who is trusted. */
const SURE = ["certificate-expired", "certificate-name", "certificate-not-yet"];

const TLS_ADVICE = {
  "certificate-expired": "Renew it, and restart coturn.",
  "certificate-name": "Get one for that name, or write its name into the url.",
  "certificate-not-yet": "Look at the clocks.",
  "certificate-self-signed":
    "Get one from an authority that browsers know. If this browser trusts it, look for a firewall.",
  "certificate-untrusted":
    "Give coturn one that browsers trust, with its whole chain. If this browser trusts it, look " +
    "for a firewall.",
};

const isReached = (look) => look.word === "trusted" || look.word in TLS_ADVICE;

/** Silence is no certificate; but beside it, another address of the name may have shown one. */
function tlsSilent(result, all) {
  const { look, errors, server } = result;
  if (!look) return noAnswer(result, all);
  if (!isReached(look) || (errors.length && SURE.includes(look.word))) return asLooked(look);
  const where = `${server.host}, TCP port ${server.port}`;
  return fault(
    "no-answer",
    `no answer from ${where}, though abcwebrtc serve reaches it there`,
    "Look for a firewall between this network and the server.",
  );
}

function asLooked({ word, message }) {
  const advice = "Is coturn running, with cert, pkey and this tls-listening-port?";
  return fault(word, message, TLS_ADVICE[word] ?? advice);
}

function tlsFailed(result, all) {
  const { server, look } = result;
  const here = `TLS to ${server.host} port ${server.port}`;
  if (look && !result.errors.length && isReached(look) && !SURE.includes(look.word)) {
    const message = "the browser gathers nothing, and does not say why";
    const seen = `abcwebrtc serve finds that ${look.message}`;
    return fault("nothing", `${message}; ${seen}`, "Run abcwebrtc probe od.config.");
  }
  if (look?.word === "trusted") {
    return fault(
      "tls",
      `${here} fails from this network, but works from the machine of abcwebrtc serve`,
      "Look for a firewall, or a proxy that opens TLS; does this browser know the certificate's " +
        "authority?",
    );
  }
  if (look) return asLooked(look);
  const advice = "Is the certificate trusted, and for this name? Does coturn listen there?";
  return fault("tls", `${here} fails${answersElsewhere(result, all)}`, advice);
}

function notReached(result, all) {
  const { host, port } = result.server;
  return fault(
    "unreachable",
    `TCP to ${host} port ${port} is refused or closed${answersElsewhere(result, all)}`,
    "Is it coturn that listens there, and the name right? Look for a firewall.",
  );
}

function noAnswer(result, all) {
  const { host, port, transport, kind } = result.server;
  const where = `${host}, ${transport.toUpperCase()} port ${port}`;
  const other = all.find((one) => one !== result && isSamePort(one, result) && answered(one));
  if (other) return answersOther(kind, other.server.kind, where);
  const advice = "Is the server running? Look for a firewall on the way.";
  return fault(
    "no-answer",
    `no answer from ${where}${answersElsewhere(result, all)}`,
    isBare(result, all) ? `${advice} ${POLICY}` : advice,
  );
}

const POLICY =
  "This browser gathers no address of its own either, which may be a policy (WebRtcIPHandling in " +
  "Chromium, media.peerconnection.ice.proxy_only in Firefox), or a network without a default route.";

/** Say whether nothing at all is seen; for STUN a browser is asked for its own addresses, too. */
const isBare = ({ server, ended }, all) =>
  server.kind === "stun" && ended === "limit" &&
  !all.some((one) => one.candidates.length || answered(one));

const isSamePort = ({ server: one }, { server: other }) =>
  ["host", "port", "transport", "secure"].every((key) => one[key] === other[key]);

/** What answers one kind of request at a port is there, and is reached. */
function answersOther(kind, other, where) {
  const [asked, answer] = [kind.toUpperCase(), other.toUpperCase()];
  const message = `no answer to ${asked} from ${where}, but one to ${answer}`;
  const option = kind === "stun" ? "no-stun" : "stun-only";
  const loss = "ook for packet loss.";
  const advice = kind === other ? `L${loss}` : `Take ${option} out of turnserver.conf, or l${loss}`;
  return fault("no-answer", message, advice);
}

function answersElsewhere(result, all) {
  const others = all.filter((one) => one.server.host === result.server.host);
  const ports = others.filter((one) => answered(one) && !isSamePort(one, result)).map(portOf);
  return ports.length ? `; the same host answers on ${inWords([...new Set(ports)])}` : "";
}

const portOf = ({ server }) =>
  `${server.secure ? "TLS" : server.transport.toUpperCase()} port ${server.port}`;

const answered = (result) =>
  result.candidates.some((one) => one.type !== "host") ||
  result.errors.some((one) => one.code < 700);

export const hasRelay = (result) => result.candidates.some((one) => one.type === "relay");
