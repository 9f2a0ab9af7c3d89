// Diagnoses the result of one server, in the words of causes.json. Pure: nothing is contacted.
//
// A result is {server, candidates, errors, ended, isMute, call, outside, binding, look}:
// - `server` is one of listServers(), `errors` are {code, text} of icecandidateerror;
// - `ended` is "complete", "limit", "stopped" or "refused";
// - `isMute` says that this browser has no icecandidateerror;
// - `call` and `outside` are null, or what callThrough() and fromOutside() return;
// - `binding` says that a TURN server that gave nothing answers STUN;
// - `look` is null, or what the server of this page saw there.

import { doubtOf } from "./relays.js";
import {
  asSentence, cause, causeOf, clause, ELSEWHERE_TOO, elsewhere, HERE, UNANSWERED, whereOf,
} from "./saying.js";
import { isAddress, place } from "./servers.js";

const LOSS = 0.05; // more lost packets than this are heard

const plain = (level, word, message) => ({ level, word, message, advice: "" });

/**
 * Return the diagnosis of one result: level ("ok", "warning", "error"), word, message, advice.
 *
 * `doubtful` is the address of a relay that works within its server, but perhaps only there.
 */
export function diagnose(result, all = [result]) {
  const found = diagnoseAlone(result, all);
  if (found.level !== "error" || ELSEWHERE_TOO.includes(found.word)) return found;
  return { ...found, message: found.message + answersElsewhere(found.word, result, all) };
}

function diagnoseAlone(result, all) {
  const { server, ended } = result;
  if (ended === "refused") {
    return cause(server.kind === "stun" && server.secure ? "bad-url/stuns" : "bad-url");
  }
  const found = server.kind === "turn" ? diagnoseTurn(result, all) : diagnoseStun(result, all);
  if (found.level === "error" && ended === "stopped" && !result.errors.length) {
    return plain("none", "stopped", "stopped before there was an answer");
  }
  return found;
}

function diagnoseStun(result, all) {
  const own = result.candidates.find((one) => one.type === "srflx");
  if (own) return plain("ok", "works", `it answers, and sees this network as ${own.address}`);
  if (result.errors.length || result.ended !== "complete") return diagnoseErrors(result, all);
  if (!result.candidates.some((one) => one.type === "host" && one.protocol === "UDP")) {
    return cause("no-udp");
  }
  if (result.isMute) return cause("unsure");
  return plain("ok", "works", "no other address than this machine's own, so there is no NAT");
}

function diagnoseTurn(result, all) {
  if (!hasRelay(result)) return diagnoseErrors(result, all);
  const { call } = result;
  if (!call || (call.state === "stopped" && !call.heard)) {
    return plain("warning", "untried", "it gives a relay; the call was not tried");
  }
  const found = diagnoseCall(result);
  const doubtful = doubtOf(result, all);
  if (found.level !== "error" && doubtful?.word !== "private-relay") {
    const fault = diagnoseOutside(result);
    if (fault) return { ...fault, heard: true };
  }
  const doubt = found.level === "error" ? null : doubtful;
  return doubt ? doubted(found, doubt) : found;
}

function doubted(found, doubt) {
  const doubts = cause(`${doubt.word}/doubt`, { ...doubt, found: found.message });
  const advice = [found.advice, doubts.advice, doubt.why].filter(Boolean).join(" ");
  const word = found.level === "ok" ? doubt.word : found.word;
  return { ...doubts, word, advice, doubtful: doubt.relay };
}

function diagnoseErrors(result, all) {
  const { server, ended, errors } = result;
  const refused = errors.find(isRefusal);
  if (refused) return refusal(refused, server);
  if (result.look?.word === "redirect") return asLooked(result.look);
  const missing = nameMissing(result, all);
  if (missing) return cause(missing, { host: server.host, detail: "" });
  const where = whereOf(server);
  if (!errors.length && isForbiddenPort(server)) return cause("port", { where });
  if (isSkippedAddress(result)) return cause("tls-address", server);
  if (server.secure && ended === "limit") return tlsSilent(result, all);
  if (server.secure && (errors.length || result.look)) return tlsFailed(result);
  if (ended === "complete" && server.transport === "tcp" && errors.length) {
    return cause("refused/vague", { where });
  }
  return ended === "complete" && !errors.length ? cause("nothing") : noAnswer(result, all);
}

/** Say whether an error is an answer of the server, and not its silence. */
export const isRefusal = ({ code }) => code >= 300 && code < 700;

/** Chromium uses TURN on few of the low ports, and skips the others without an error. */
const isForbiddenPort = ({ kind, port }) =>
  kind === "turn" && port < 1024 && ![80, 443].includes(port);

/**
 * Return what is wrong with the name, or "". Chromium reports it as text, Firefox as a bare 701.
 *
 * For a name that has addresses of one family only, the browser reports this for the other family
 * and carries on, over UDP for longer than this page waits. In Firefox the same 701 also means a
 * closed port over TCP, and a firewall on its own machine over UDP.
 */
function nameMissing({ server, ended, errors }, all) {
  if (ended !== "complete") return "";
  if (errors.some((one) => /host lookup/i.test(one.text))) return "no-name";
  const isMute = errors.some((one) => one.code === 701 && !one.text);
  if (!isMute || server.transport !== "udp" || isAddress(server.host)) return "";
  if (all.some((one) => one.server.host === server.host && answered(one))) return "";
  return "no-name/vague";
}

/** Say whether Firefox skipped an address in a turns url: it ends at once, with nothing. */
const isSkippedAddress = ({ server, ended, errors }) =>
  server.secure && isAddress(server.host) && ended === "complete" && !errors.length;

// errors of STUN, as browsers report them

/** Return the cause of an error, of a server of listServers(). */
function refusal({ code }, { kind, entry = {} }) {
  if (kind === "stun" && code === 401) return cause("stun-login", { code });
  if (code === 401) return cause(isMinted(entry) ? "wrong-login/minted" : "wrong-login");
  if (code === 400) return badRequest(entry.username ?? "");
  return cause(causeOf(code), { code });
}

/** Return the cause of an error for the second relay, of a server that gave the first one. */
function secondRefusal({ code }) {
  if (code === 486) return cause("quota/second");
  return { ...cause("no-second/refused", { code }), word: causeOf(code) };
}

// addresses of machines behind a NAT (RFC 1918, RFC 6598)
const PRIVATE =
  /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.)/;
// coturn denies these by default since 4.13.1 (RFC 3927, RFC 4193, RFC 4291)
const LOCAL = /^(169\.254\.|f[cd]..:|fe[89a-f].:)/i;

/** Return what permits data to a server's own relays, one of which is this candidate. */
function forbidden({ address }) {
  const isLoopback = /^127\.|^::1$/.test(address);
  const isLocal = LOCAL.test(address);
  const isPrivate = PRIVATE.test(address);
  const kind = isLoopback ? "loopback" : isLocal ? "local" : isPrivate ? "private" : "public";
  const seen = "the browser gives up at once, as it does after a 403";
  return cause(`forbidden/${kind}`, { seen, relay: address });
}

/** A username with an expiry is of a credential that was minted just now. */
const isMinted = ({ username = "" }) => /^\d{10}(:|$)/.test(username);

function badRequest(username) {
  const fault = usernameFault(username);
  const unsigned = ""; // browsers don't report an unsigned answer
  return fault ? cause("bad-request/username", { fault, unsigned }) : cause("bad-request", { unsigned });
}

/** Return what in a username makes coturn answer 400, or "". */
function usernameFault(username) {
  if (/[ \t'"\\]/.test(username)) return clause("username-characters");
  if (/union/i.test(username) && /select/i.test(username)) return clause("username-words");
  const bytes = new TextEncoder().encode(username).length;
  return bytes > 508 ? clause("username-length", { bytes }) : "";
}

// TLS, where `serve` may have seen more

/** Faults of a certificate that are the same for everybody, whichever authorities are trusted. */
const SURE = ["certificate-expired", "certificate-name", "certificate-not-yet"];

const isReached = ({ word }) => word === "trusted" || word.startsWith("certificate-");

const asLooked = ({ word, message, advice = "" }) =>
  ({ level: "error", word, message, advice: asSentence(advice) });

/** Silence shows no certificate, but another address of the same name may have shown one. */
function tlsSilent(result, all) {
  const { look, errors, server } = result;
  if (!look) return noAnswer(result, all);
  if (!isReached(look) || (errors.length && SURE.includes(look.word))) return asLooked(look);
  return cause("no-answer/here", { where: whereOf(server), place: HERE });
}

function tlsFailed({ server, look, errors }) {
  const facts = { where: whereOf(server), place: HERE };
  if (!look) return cause("no-tls/unknown", facts);
  if (!errors.length && isReached(look) && !SURE.includes(look.word)) {
    return cause("nothing/looked", { look: look.message });
  }
  return look.word === "trusted" ? cause("no-tls/here", facts) : asLooked(look);
}

// silence

function noAnswer(result, all) {
  const { server, ended } = result;
  const facts = { where: whereOf(server), place: HERE };
  const other = all.find((one) => one !== result && isSamePort(one, result) && answered(one));
  if (other?.server.kind === server.kind) return cause("no-answer/repeated", facts);
  if (other) return cause(server.kind === "stun" ? "no-binding" : "no-allocate", facts);
  if (result.binding) return cause("no-allocate", facts);
  const within = ended === "limit" ? " within 10 s" : "";
  return cause(isBare(result, all) ? "no-answer/bare" : "no-answer", { ...facts, within });
}

/** Say whether nothing at all was seen; for STUN the browser also gathers its own addresses. */
const isBare = ({ server, ended }, all) =>
  server.kind === "stun" && ended === "limit" &&
  !all.some((one) => one.candidates.length || answered(one));

// the call

/** Return the diagnosis of the call of a result: level, word, message, advice. */
function diagnoseCall({ call, candidates }) {
  const refused = call.errors.find((one) => one.code >= 400 && one.code < 700);
  if (call.state === "failed" && refused) return secondRefusal(refused);
  if (call.state === "failed" && call.lacksRelay) return cause("no-second");
  if (call.state === "failed") return notConnected(call, candidates);
  if (call.brokeOff) return cause("broke-off");
  if (call.noOutput) return cause("no-output");
  if (!call.packetsReceived) return cause("no-sound");
  if (!call.heard) return cause("silence");
  const share = call.packetsLost / (call.packetsLost + call.packetsReceived);
  if (share > LOSS) return cause("loss", { share: Math.round(share * 100) });
  return plain("ok", "works", "the tone arrives through the relay");
}

function notConnected(call, candidates) {
  if (call.isReached) return notSecured(call.handshake, clause("ends-browser"), 20);
  const relay = candidates.find((one) => one.type === "relay");
  return call.isRefused ? forbidden(relay) : cause("no-data", { relay: place(relay) });
}

/** ICE connects, but DTLS does not. */
function notSecured(handshake, ends, seconds) {
  if (!handshake?.small || handshake.dtls === "connected") return cause("no-handshake", { seconds });
  return cause("packet-size/dtls", { ends });
}

/** Return why data from outside does not reach a relay; null if it does. */
function diagnoseOutside({ outside, candidates }) {
  if (!outside || !["failed", "refused"].includes(outside.state)) return null;
  const { ice, dtls } = outside.handshake ?? {};
  if (["connected", "completed"].includes(ice) && dtls !== "connected") {
    return notSecured(outside.handshake, clause("ends-browser-outside"), 8);
  }
  if (outside.state === "refused") return null; // this address is denied; others may not be
  const relay = candidates.find((one) => one.type === "relay");
  return cause("relay-ports", { place: HERE, peer: outside.peer, relay: place(relay) });
}

// where else

const isSamePort = ({ server: one }, { server: other }) =>
  ["host", "port", "transport", "secure"].every((key) => one[key] === other[key]);

/** Say on which other ports the same host works, or at least answers. */
function answersElsewhere(word, result, all) {
  const isOther = (one) => one.server.host === result.server.host && !isSamePort(one, result);
  const others = all.filter(isOther);
  const works = others.filter((one) => one.server.kind === result.server.kind && isWorking(one));
  const answers = UNANSWERED.includes(word) ? others.filter(answered) : [];
  const [key, found] = works.length ? ["works", works] : ["answers", answers];
  return found.length ? elsewhere(key, found.map((one) => one.server)) : "";
}

const isWorking = (one) =>
  one.server.kind === "turn" ? isHeard(one.call) && !diagnoseOutside(one) : answered(one);

const isHeard = (call) => call?.heard && !call.brokeOff;

const answered = (result) =>
  result.candidates.some((one) => one.type !== "host") ||
  result.errors.some((one) => one.code < 700);

export const hasRelay = (result) => result.candidates.some((one) => one.type === "relay");
