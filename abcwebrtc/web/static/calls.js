// What a call through the relays of one server means. Pure.

import { forbidden, secondRefusal } from "./refusals.js";
import { cause, HERE } from "./saying.js";
import { place } from "./servers.js";

const LOSS = 0.05; // more lost packets than this are heard

/** Return what the call of a result means: level, word, message, advice. */
export function diagnoseCall({ call, candidates }) {
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
  return { level: "ok", word: "works", message: "the tone arrives through the relay", advice: "" };
}

function notConnected(call, candidates) {
  if (call.isReached) return notSecured(call.handshake, "this browser and the relay", 20);
  const relay = candidates.find((one) => one.type === "relay");
  return call.isRefused ? forbidden(relay) : cause("no-data", { relay: place(relay) });
}

/** ICE connects, and DTLS does not. */
function notSecured(handshake, ends, seconds) {
  if (!handshake?.small || handshake.dtls === "connected") return cause("no-handshake", { seconds });
  return cause("packet-size/dtls", { ends });
}

/** Return what it means that data from outside does not come to a relay; null where it does. */
export function diagnoseOutside({ outside, candidates }) {
  if (!outside || !["failed", "refused"].includes(outside.state)) return null;
  const { ice, dtls } = outside.handshake ?? {};
  if (["connected", "completed"].includes(ice) && dtls !== "connected") {
    return notSecured(outside.handshake, "this browser, as one outside, and the relay", 8);
  }
  if (outside.state === "refused") return null; // its own address is denied; others may not be
  const relay = candidates.find((one) => one.type === "relay");
  return cause("relay-ports", { place: HERE, peer: outside.peer, relay: place(relay) });
}
