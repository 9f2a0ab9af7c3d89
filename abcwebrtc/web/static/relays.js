// Judges whether anything but the server itself can send to its relays. Pure: nothing is contacted.
//
// The call of this page goes from a relay of a server to another relay of the same server. That works
// whatever their address is, since coturn finds itself. A desktop sends to that address from elsewhere.

import { asSentence, clause } from "./saying.js";
import { isAddress } from "./servers.js";

// IPv4 networks to which the internet has no route (IANA's special-purpose registry, RFC 6890);
// 224 and above are multicast and reserved addresses, which no server has.
const NOT_GLOBAL = [
  "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
  "192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
  "203.0.113.0/24", "224.0.0.0/3",
];

const isV6 = (address) => address.includes(":");

/** Return an address as the URL standard writes it, so that equal ones compare equal, or "". */
function canonical(host) {
  if (!isAddress(host)) return ""; // a name, such as mDNS has for an address, or nothing
  try { // with a scheme whose hosts are parsed; nothing is opened
    return new URL(`ws://${isV6(host) ? `[${host}]` : host}`).hostname.replace(/[[\]]/g, "");
  } catch {
    return "";
  }
}

const bitsOf = (address) => address.split(".").reduce((bits, part) => bits * 256 + Number(part), 0);

function isWithin(address, network) {
  const [first, length] = network.split("/");
  return Math.floor((bitsOf(address) - bitsOf(first)) / 2 ** (32 - length)) === 0;
}

/** Say whether an address is global; those for documentation are not. */
export function isGlobal(host) {
  const address = canonical(host);
  if (!isV6(address)) {
    return address !== "" && !NOT_GLOBAL.some((network) => isWithin(address, network));
  }
  const [first, second] = address.split(":").map((part) => parseInt(part, 16) || 0);
  const isDocumentation =
    (first === 0x2001 && second === 0xdb8) || (first === 0x3fff && second < 0x1000); // RFC 9637
  return first >= 0x2000 && first <= 0x3fff && !isDocumentation;
}

/**
 * Return the doubt about a server's relays, {word, server, relay, why}, or null.
 *
 * If all addresses are private, there is no doubt: the server is for one site. A page can't resolve
 * a name; all it knows of such a server's address is how the server sees this network.
 */
export function doubtOf({ server, candidates, outside }, all) {
  const relays = candidates.filter((one) => one.type === "relay").map((one) => one.address);
  const doubts = relays
    .filter(canonical)
    .map((one) => (isGlobal(one) ? otherRelay(server, one) : privateRelay(server, one, all)));
  // a different address is not doubtful if data has been seen to arrive there
  const isSeen = (one) => one?.word === "other-relay" && outside?.state === "works";
  return doubts.find((one) => one && !isSeen(one)) ?? null;
}

const doubt = (word, server, relay) =>
  ({ word, server, relay, why: asSentence(clause("doubt-cure")) });

function privateRelay({ host }, relay, all) {
  const seen = isAddress(host) ? "" : seenFrom(host, isV6(relay), all);
  if (!seen && !isGlobal(host)) return null;
  const server = seen ? clause("server-sees", { seen }) : clause("server-at", { host });
  return doubt("private-relay", server, relay);
}

/**
 * Return the global address that a server has seen, or "".
 *
 * It is of the relay's family: a site may have private IPv4 addresses and global IPv6 ones.
 */
function seenFrom(host, wantsV6, all) {
  const candidates = all.filter((one) => one.server.host === host).flatMap((one) => one.candidates);
  const seen = candidates.filter((one) => one.type === "srflx").map((one) => one.address);
  return seen.find((address) => isV6(address) === wantsV6 && isGlobal(address)) ?? "";
}

function otherRelay({ host }, relay) {
  const isOther = isV6(host) === isV6(relay) && canonical(host) !== canonical(relay);
  if (!isGlobal(host) || !isOther) return null;
  return doubt("other-relay", clause("server-at", { host }), relay);
}
