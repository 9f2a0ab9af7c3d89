// Calls of this page to itself: a tone over two relays of one server, and data from this browser's own
// address, which reaches a relay from outside the server.

import { addError, configurationOf, within } from "./gather.js";
import { bracketed } from "./servers.js";

const CONNECT_MS = 20000; // with a round trip of 800 ms, TLS takes 7 seconds
const OUTSIDE_MS = 8000; // when it works, it takes a tenth of a second
const AT_ONCE_MS = 4000; // every browser waits longer than this for silence
const LISTEN_MS = 2500;
const LOOK_MS = 250; // a look counts as no more: what stands still, or is hidden, hears less
const SILENT_MS = 800; // a gap too long for packet loss
const OUTPUT_MS = 5000;
const NEEDED = 5; // how often the tone must be found
const CHECKS = 4; // ICE checks; fewer are too few to compare
const MOST = 0.75; // if this share of the small packets arrives, it is not packet loss

export const QUOTA = 486;

// the tone, and how to recognise it

export const TONE_HZ = 440;
export const FFT_SIZE = 4096;
const WITHIN_HZ = 12; // about the width of one bin
const SILENCE = 0.01;

/** Return the loudness of samples as 0 to 1: their root mean square, where a full sine is 1. */
export function level(samples) {
  let sum = 0;
  for (const one of samples) sum += one * one;
  return Math.min(1, Math.sqrt((2 * sum) / samples.length));
}

/** Return the frequency of the loudest bin, in Hz; between bins by a parabola. */
export function peak(decibels, sampleRate) {
  let top = 1;
  for (let bin = 1; bin < decibels.length - 1; bin += 1) {
    if (decibels[bin] > decibels[top]) top = bin;
  }
  const [left, middle, right] = [decibels[top - 1], decibels[top], decibels[top + 1]];
  const bend = left - 2 * middle + right;
  const shift = Number.isFinite(bend) && bend ? (left - right) / (2 * bend) : 0;
  return ((top + shift) * sampleRate) / (2 * decibels.length);
}

/** Say whether a frequency at a loudness is the tone. */
export function isTone(hz, loudness) {
  return loudness > SILENCE && Math.abs(hz - TONE_HZ) < WITHIN_HZ;
}

// two connections

/** Connect two connections with each other; return "connected", "failed", "bare" or "stopped".
 *
 * This is the state of `watched`; "bare" means that one of `relayed` gathered no candidate.
 */
async function connected(near, far, { watched, relayed, limit }, signal) {
  for (const [one, other] of [[near, far], [far, near]]) {
    one.addEventListener("icecandidate", ({ candidate }) => {
      other.addIceCandidate(candidate ?? undefined).catch(() => {});
    });
  }
  const state = within(limit, signal, { late: "failed", stopped: "stopped" }, (finish) => {
    watched.onconnectionstatechange = () => {
      const { connectionState } = watched;
      if (["connected", "failed"].includes(connectionState)) finish(connectionState);
    };
    for (const one of relayed) {
      one.onicegatheringstatechange = () => {
        if (one.iceGatheringState === "complete" && !hasCandidates(one)) finish("bare");
      };
    }
  });
  await near.setLocalDescription();
  await far.setRemoteDescription(near.localDescription);
  await far.setLocalDescription();
  await near.setRemoteDescription(far.localDescription);
  return signal.aborted ? "stopped" : state;
}

const hasCandidates = (connection) => connection.localDescription.sdp.includes("a=candidate:");

/** Say whether a connection failed because of an answer, and not because of silence. */
const isAtOnce = (began) => performance.now() - began < AT_ONCE_MS;

/**
 * Return {ice, dtls, small}: the states of the transport, and whether small packets arrive.
 *
 * ICE checks are small; the first packets of DTLS are not.
 */
async function handshakeOf(connection) {
  const all = [...(await connection.getStats()).values()];
  const transport = all.find((one) => one.type === "transport") ?? {};
  const pairs = all.filter((one) => one.type === "candidate-pair");
  const pair = pairs.find((one) => one.state === "succeeded") ?? {};
  const { requestsSent = 0, responsesReceived = 0 } = pair;
  return {
    ice: transport.iceState ?? connection.iceConnectionState,
    dtls: transport.dtlsState ?? "",
    small: requestsSent >= CHECKS && responsesReceived / requestsSent >= MOST,
  };
}

// from relay to relay

/** Say whether an AudioContext runs; Firefox first opens the audio device, if it finds one. */
export function outputOf(audio, signal) {
  return within(OUTPUT_MS, signal, { late: false, stopped: false }, (finish) => {
    const tell = () => finish(audio.state === "running");
    audio.resume().then(tell, tell); // Safari needs this call; without a device it never settles
  });
}

/**
 * Play the tone through two relays of a server, and return what arrived.
 *
 * `audio` is an AudioContext; if it does not run, there is no tone. `onLevel` is called with 0 to 1
 * as the sound arrives, and `isAudible` says whether to play the tone to the operator.
 */
export async function callThrough(server, audio, signal, { onLevel, isAudible }) {
  const call = {
    state: "failed", errors: [], heard: false, hz: 0, ms: null, packetsReceived: 0, packetsLost: 0,
    roundTripMs: null, relayProtocol: null, noOutput: false,
    lacksRelay: false, isReached: false, brokeOff: false, isRefused: false, handshake: null,
  };
  const settings = configurationOf(server);
  const ends = [new RTCPeerConnection(settings), new RTCPeerConnection(settings)];
  const [near, far] = ends;
  const source = toneSource(audio);
  let ear = null;
  try {
    for (const one of ends) one.onicecandidateerror = (event) => addError(call.errors, event);
    const arrived = new Promise((resolve) => {
      far.ontrack = ({ track }) => resolve(new MediaStream([track]));
    });
    near.addTrack(source.stream.getAudioTracks()[0], source.stream);
    const began = performance.now();
    const how = { watched: far, relayed: ends, limit: CONNECT_MS };
    const state = await connected(near, far, how, signal);
    call.state = state === "bare" ? "failed" : state;
    call.lacksRelay = !ends.every(hasCandidates);
    call.isReached = ["connected", "completed"].includes(far.iceConnectionState);
    call.isRefused = call.state === "failed" && isAtOnce(began);
    call.handshake = await handshakeOf(far);
    if (call.state !== "connected") return call;
    call.ms = Math.round(performance.now() - began);
    ear = openEar(await arrived, audio);
    await listen(ear, call, signal, onLevel, isAudible);
    if (signal.aborted) call.state = "stopped";
    call.noOutput = !call.heard && audio.state !== "running";
    return Object.assign(call, readStats(await far.getStats()));
  } finally {
    ear?.close();
    source.close();
    near.close();
    far.close();
    onLevel(0);
  }
}

function toneSource(audio) {
  const oscillator = new OscillatorNode(audio, { frequency: TONE_HZ });
  const volume = new GainNode(audio, { gain: 0.5 });
  const out = new MediaStreamAudioDestinationNode(audio);
  oscillator.connect(volume).connect(out);
  oscillator.start();
  return { stream: out.stream, close: () => oscillator.stop() };
}

/** Return an analyser of the incoming sound, and a gain that plays it to the operator. */
function openEar(stream, audio) {
  // Chromium decodes a remote stream only while an element plays it.
  const element = new Audio();
  element.muted = true;
  element.srcObject = stream;
  element.play().catch(() => {});
  const incoming = new MediaStreamAudioSourceNode(audio, { mediaStream: stream });
  const analyser = new AnalyserNode(audio, { fftSize: FFT_SIZE, smoothingTimeConstant: 0 });
  const volume = new GainNode(audio, { gain: 0 });
  incoming.connect(analyser);
  incoming.connect(volume).connect(audio.destination);
  const close = () => {
    incoming.disconnect();
    volume.disconnect();
    element.srcObject = null;
  };
  return { analyser, volume, close };
}

async function listen(ear, call, signal, onLevel, isAudible) {
  const wave = new Float32Array(ear.analyser.fftSize);
  const spectrum = new Float32Array(ear.analyser.frequencyBinCount);
  let [times, listened, silent] = [0, 0, 0]; // the latter are milliseconds: in all, and without a tone
  let before = performance.now();
  while (listened < LISTEN_MS && !signal.aborted) {
    ear.volume.gain.setTargetAtTime(isAudible() ? 0.3 : 0, ear.volume.context.currentTime, 0.05);
    ear.analyser.getFloatTimeDomainData(wave);
    ear.analyser.getFloatFrequencyData(spectrum);
    const found = peak(spectrum, ear.analyser.context.sampleRate);
    onLevel(level(wave));
    if (isTone(found, level(wave))) {
      [times, silent] = [times + 1, 0];
      call.hz = Math.round(found);
    }
    call.heard = times >= NEEDED;
    call.brokeOff = times > 0 && silent > SILENT_MS;
    await new Promise((resolve) => setTimeout(resolve, 60));
    const now = performance.now();
    const passed = Math.min(now - before, LOOK_MS);
    [listened, silent, before] = [listened + passed, silent + passed, now];
  }
}

/** Return the part of getStats() that the page shows. */
function readStats(stats) {
  const all = [...stats.values()];
  const incoming = all.find((one) => one.type === "inbound-rtp") ?? {};
  const transport = all.find((one) => one.type === "transport");
  const selected = stats.get(transport?.selectedCandidatePairId);
  const pair = selected ?? all.find((one) => one.nominated) ?? {};
  const local = stats.get(pair.localCandidateId) ?? {};
  const seconds = pair.currentRoundTripTime;
  return {
    packetsReceived: incoming.packetsReceived ?? 0,
    packetsLost: Math.max(0, incoming.packetsLost ?? 0),
    roundTripMs: seconds === undefined ? null : Math.round(seconds * 10000) / 10,
    relayProtocol: local.relayProtocol ?? null,
  };
}

// from outside to a relay

/** Return the STUN urls of a TURN url's server: its own UDP port, and those in od.config. */
export function stunOf({ host }, servers) {
  const same = servers.filter((one) => one.host === host && one.transport === "udp" && !one.secure);
  return [...new Set(same.map((one) => `stun:${bracketed(host)}:${one.port}`))].slice(0, 2);
}

/**
 * Connect this browser's own address with a relay, and return {state, peer, handshake, isAtQuota}.
 *
 * `state` is "works"; "failed"; "refused" if the browser gave up at once, as it does after a 403;
 * or "untried" if there was no relay, or if none of `stun`, urls of the same server, showed this
 * network's address. `peer` is that address. `isAtQuota` says that the server gave no relay because
 * it still counts those of an earlier call.
 */
export async function fromOutside(server, stun, signal) {
  const outside = { state: "untried", peer: "", handshake: null, isAtQuota: false };
  const near = new RTCPeerConnection(configurationOf(server));
  const far = new RTCPeerConnection({ iceServers: [{ urls: stun }] });
  try {
    let hasRelay = false;
    near.onicecandidate = ({ candidate }) => {
      hasRelay ||= candidate?.type === "relay";
    };
    far.onicecandidate = ({ candidate }) => {
      if (candidate?.type === "srflx") outside.peer ||= candidate.address;
    };
    near.onicecandidateerror = ({ errorCode }) => {
      outside.isAtQuota ||= errorCode === QUOTA;
    };
    near.createDataChannel("test");
    const began = performance.now();
    const how = { watched: near, relayed: [near], limit: OUTSIDE_MS };
    const state = await connected(near, far, how, signal);
    const refused = isAtOnce(began);
    outside.handshake = await handshakeOf(near);
    if (state === "connected") outside.state = "works";
    // without an address for the server to send to, nothing was tried
    else if (state === "failed" && hasRelay && outside.peer) {
      outside.state = refused ? "refused" : "failed";
    }
    return outside;
  } finally {
    near.close();
    far.close();
  }
}
