// Gathers the candidates of one server, alone, so that each is judged for itself.

import { readCandidate } from "./servers.js";

export const LIMIT_MS = 10000; // Chromium says nothing of a UDP server that is silent

/** Return the RTCConfiguration that knows one url only; TURN is to give relays and nothing else. */
export function configurationOf({ url, kind, entry }) {
  const login = kind === "turn" ? { username: entry.username, credential: entry.credential } : {};
  return {
    iceServers: [{ urls: url, ...login }],
    iceTransportPolicy: kind === "turn" ? "relay" : "all",
  };
}

/** Keep an error once, though a browser tells it for every address of its own. */
export function addError(errors, event) {
  const found = { code: event.errorCode, text: event.errorText ?? "" };
  if (errors.some((one) => one.code === found.code && one.text === found.text)) return;
  errors.push(found);
}

/**
 * Gather, and call `changed` after each candidate and error.
 *
 * `result` is filled in: candidates, errors, ended, isMute. It ends when the browser has, after
 * LIMIT_MS, or when `signal` is aborted.
 */
export async function gather(result, signal, changed) {
  result.isMute = !("onicecandidateerror" in RTCPeerConnection.prototype); // as Firefox 140 is
  let connection;
  try {
    connection = new RTCPeerConnection(configurationOf(result.server));
  } catch {
    result.ended = "refused"; // what the exception says may hold the login
    return;
  }
  try {
    result.ended = await ended(connection, result, signal, changed);
  } finally {
    connection.close();
  }
}

function ended(connection, result, signal, changed) {
  const began = performance.now();
  const since = () => Math.round(performance.now() - began);
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve("limit"), LIMIT_MS);
    const finish = (how) => {
      clearTimeout(timer);
      resolve(how);
    };
    signal.addEventListener("abort", () => finish("stopped"), { once: true });
    connection.onicecandidateerror = (event) => {
      addError(result.errors, event);
      changed();
    };
    connection.onicecandidate = ({ candidate }) => {
      if (!candidate?.candidate) return;
      result.candidates.push({ ...readCandidate(candidate.candidate), ms: since() });
      changed();
    };
    connection.onicegatheringstatechange = () => {
      if (connection.iceGatheringState === "complete") finish("complete");
    };
    connection.createDataChannel("test");
    connection.setLocalDescription().catch(() => finish("refused"));
    if (signal.aborted) finish("stopped");
  });
}

const BINDING_MS = 4000;

/** Say whether a TURN server over UDP, which gave nothing, answers STUN with an address. */
export function answersStun({ host, port }, signal) {
  const urls = `stun:${host.includes(":") ? `[${host}]` : host}:${port}`;
  const connection = new RTCPeerConnection({ iceServers: [{ urls }] });
  const answered = new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), BINDING_MS);
    const finish = (found) => {
      clearTimeout(timer);
      resolve(found);
    };
    signal.addEventListener("abort", () => finish(false), { once: true });
    connection.onicecandidate = ({ candidate }) => {
      if (candidate?.type === "srflx") finish(true);
    };
    connection.createDataChannel("test");
    connection.setLocalDescription().catch(() => finish(false));
    if (signal.aborted) finish(false);
  });
  return answered.finally(() => connection.close());
}
