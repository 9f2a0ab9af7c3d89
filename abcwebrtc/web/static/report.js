// The report as plain text, for a ticket. No login is in it. Pure.

import { diagnose } from "./diagnosis.js";
import { place } from "./servers.js";

/** Return the report; `facts` are pairs of a name and a text, such as the browser's. */
export function reportText(verdict, results, facts) {
  const lines = [verdict.headline, ...(verdict.limits ? [verdict.limits] : []), ""];
  lines.push(...facts.map(([name, text]) => `${name}: ${text}`));
  for (const result of results) lines.push("", ...serverLines(result, results));
  return `${lines.join("\n")}\n`;
}

function serverLines(result, results) {
  const { level, word, message, advice } = diagnose(result, results);
  const { label, url } = result.server;
  return [
    `${label}  ${url}`,
    `  ${level === "ok" ? "" : `${level}: `}${word}: ${message}`,
    ...(advice ? [`  ${advice}`] : []),
    ...result.candidates.map(
      (one) => `  candidate ${one.type} ${place(one)} ${one.protocol} ${one.ms} ms`,
    ),
    ...result.errors.map(errorLine),
    ...(result.call ? [`  call: ${callText(result).join(", ")}`] : []),
    ...(result.call?.errors ?? []).map(errorLine),
  ];
}

const errorLine = ({ code, text }) => `  error ${code} ${text}`.trimEnd();

/** Return what was measured in a call, as a list of a few words each. */
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
