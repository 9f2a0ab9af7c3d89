// What the STUN errors of a server mean, as browsers report them. Pure.

import { cause, clause } from "./saying.js";

const CAUSES = {
  300: "redirect", 403: "forbidden", 437: "mismatch", 438: "stale-nonce", 440: "address-family",
  442: "no-udp-relay", 486: "quota", 500: "server-error", 508: "capacity",
};

/** Return the cause of an error, of a server of listServers(). */
export function refusal({ code }, { kind, entry = {} }) {
  if (kind === "stun" && code === 401) return cause("stun-login", { code });
  if (code === 401) return cause(isMinted(entry) ? "wrong-login/minted" : "wrong-login");
  if (code === 400) return badRequest(entry.username ?? "");
  return cause(keyOf(code), { code });
}

/** Return the cause of an error for the second relay, of a server that gave a first one. */
export function secondRefusal({ code }) {
  if (code === 486) return cause("quota/second");
  return { ...cause("no-second/refused", { code }), word: keyOf(code) };
}

// machines behind a NAT have such an address (RFC 1918, RFC 6598)
const PRIVATE =
  /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.)/;
// coturn denies these by itself from 4.13.1 on (RFC 3927, RFC 4193, RFC 4291)
const LOCAL = /^(169\.254\.|f[cd]..:|fe[89a-f].:)/i;

/** Return what permits data to a server's own relays, of which one is a candidate. */
export function forbidden({ address }) {
  const isLoopback = /^127\.|^::1$/.test(address);
  const isLocal = LOCAL.test(address);
  const isPrivate = PRIVATE.test(address);
  const kind = isLoopback ? "loopback" : isLocal ? "local" : isPrivate ? "private" : "public";
  const seen = "the browser gives up at once, as it does after a 403";
  return cause(`forbidden/${kind}`, { seen, relay: address });
}

const keyOf = (code) => CAUSES[code] ?? "stun-error";

/** A credential with an expiry was made from a secret, just now. */
const isMinted = ({ username = "" }) => /^\d{10}(:|$)/.test(username);

function badRequest(username) {
  const fault = usernameFault(username);
  const unsigned = ""; // a browser tells none that is not signed
  return fault ? cause("bad-request/username", { fault, unsigned }) : cause("bad-request", { unsigned });
}

/** Return what coturn answers 400 to in a username, or "". */
export function usernameFault(username) {
  if (/[ \t'"\\]/.test(username)) return clause("username-characters");
  if (/union/i.test(username) && /select/i.test(username)) return clause("username-words");
  const bytes = new TextEncoder().encode(username).length;
  return bytes > 508 ? clause("username-length", { bytes }) : "";
}
