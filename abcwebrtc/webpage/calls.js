// What a call through the relays of one server means. Pure.

import { secondRefusal } from "./refusals.js";
import { cause } from "./saying.js";
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
  if (call.isReached) return cause("no-handshake", { seconds: 20 });
  const relay = candidates.find((one) => one.type === "relay");
  return cause("no-data", { relay: place(relay) });
}
