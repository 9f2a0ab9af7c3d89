// Gathers the candidates of one server, alone, so that each is judged for itself.

import { bracketed, readCandidate } from "./servers.js";

const LIMIT_MS = 10000; // Chromium says nothing of a UDP server that is silent
const BINDING_MS = 4000;

/**
 * Return what `begin(finish)` finishes with.
 *
 * That is `late` after so many milliseconds, and `stopped` once `signal` is aborted.
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

/** Say whether a TURN server over UDP, which gave nothing, answers STUN with an address. */
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
