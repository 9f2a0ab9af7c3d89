// Gathers the candidates of one server at a time, so that each is judged separately.

import { bracketed, readCandidate } from "./servers.js";

const LIMIT_MS = 10000; // Chromium reports nothing about a silent UDP server
const BINDING_MS = 4000;

/**
 * Return what `begin(finish)` passes to `finish`.
 *
 * Return `late` instead after so many milliseconds, or `stopped` once `signal` is aborted.
 */
export function within(milliseconds, signal, { late, stopped }, begin) {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(late), milliseconds);
    const finish = (how) => {
      clearTimeout(timer);
      resolve(how);
    };
    signal.addEventListener("abort", () => finish(stopped), { once: true });
    begin(finish);
    if (signal.aborted) finish(stopped);
  });
}

/** Return an RTCConfiguration with one url only; for TURN it allows only relays. */
export function configurationOf({ url, kind, entry }) {
  const login = kind === "turn" ? { username: entry.username, credential: entry.credential } : {};
  return {
    iceServers: [{ urls: url, ...login }],
    iceTransportPolicy: kind === "turn" ? "relay" : "all",
  };
}

/** Keep an error once, although browsers report it for each of their own addresses. */
export function addError(errors, event) {
  const found = { code: event.errorCode, text: event.errorText ?? "" };
  if (errors.some((one) => one.code === found.code && one.text === found.text)) return;
  errors.push(found);
}

/**
 * Gather, and call `changed` after each candidate and error.
 *
 * Fill in candidates, errors, ended and isMute of `result`. End when the browser has finished, after
 * LIMIT_MS, or when `signal` is aborted.
 */
export async function gather(result, signal, changed) {
  result.isMute = !("onicecandidateerror" in RTCPeerConnection.prototype); // as in Firefox 140
  let connection;
  try {
    connection = new RTCPeerConnection(configurationOf(result.server));
  } catch {
    result.ended = "refused"; // the exception's text may hold the login
    return;
  }
  const began = performance.now();
  const ends = { late: "limit", stopped: "stopped" };
  result.ended = await within(LIMIT_MS, signal, ends, (finish) => {
    connection.onicecandidateerror = (event) => {
      addError(result.errors, event);
      changed();
    };
    connection.onicecandidate = ({ candidate }) => {
      if (!candidate?.candidate) return;
      const ms = Math.round(performance.now() - began);
      result.candidates.push({ ...readCandidate(candidate.candidate), ms });
      changed();
    };
    connection.onicegatheringstatechange = () => {
      if (connection.iceGatheringState === "complete") finish("complete");
    };
    beginGathering(connection, () => finish("refused"));
  });
  connection.close();
}

function beginGathering(connection, failed) {
  connection.createDataChannel("test");
  connection.setLocalDescription().catch(failed);
}

/** Say whether a TURN server over UDP that gave nothing answers STUN with an address. */
export async function answersStun({ host, port }, signal) {
  const urls = `stun:${bracketed(host)}:${port}`;
  const connection = new RTCPeerConnection({ iceServers: [{ urls }] });
  const answered = await within(BINDING_MS, signal, { late: false, stopped: false }, (finish) => {
    connection.onicecandidate = ({ candidate }) => {
      if (candidate?.type === "srflx") finish(true);
    };
    beginGathering(connection, () => finish(false));
  });
  connection.close();
  return answered;
}
