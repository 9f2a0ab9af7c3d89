// The report as plain text, for a ticket. No login is in it. Pure.

import { place } from "./servers.js";
import { diagnose } from "./verdict.js";

/** Return the report; `facts` are pairs of a name and a text, such as the browser's. */
export function reportText(verdict, results, facts) {
  const lines = [verdict.headline, ""];
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
    ...result.errors.map((one) => `  error ${one.code} ${one.text}`),
    ...(result.call ? [`  call ${callText(result.call)}`] : []),
  ];
}

/** Return what was measured in a call, in a few words. */
export function callText(call) {
  const parts = [call.state];
  if (call.ms !== null) parts.push(`after ${call.ms} ms`);
  if (call.heard) parts.push(`tone ${call.hz} Hz`);
  if (call.packetsReceived) parts.push(`${call.packetsLost} of ${call.packetsLost + call.packetsReceived} packets lost`);
  if (call.roundTripMs !== null) parts.push(`round trip ${call.roundTripMs} ms`);
  if (call.relayProtocol) parts.push(`relay over ${call.relayProtocol}`);
  return parts.join(", ");
}
