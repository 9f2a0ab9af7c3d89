// Calls of this page with itself: over two relays of one server, with a tone in it, and between a
// relay and this browser's own address, as one outside of the server has it.

import { addError, configurationOf, within } from "./gather.js";
import { bracketed } from "./servers.js";

const CONNECT_MS = 20000; // a round trip of 800 ms makes it 7 seconds over TLS
const OUTSIDE_MS = 8000; // where it works, it takes a tenth of a second
const AT_ONCE_MS = 4000; // silence is waited for longer by every browser
const LISTEN_MS = 2500;
const LOOKS = 8; // at least: a hidden page has one in a second
const SILENT_MS = 800; // a gap that is no loss of packets
const OUTPUT_MS = 5000;
const NEEDED = 5; // times that the tone has to be found
const CHECKS = 4; // of ICE; with fewer there is nothing to compare
const MOST = 0.75; // of the small packets come through, so that it is no loss

export const QUOTA = 486;

// the tone, and how it is known again

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

/** Have two connections find each other, and return "connected", "failed", "bare" or "stopped".
 *
 * That is the state of `watched`; "bare" says that one of `relayed` gathered no candidate.
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

/** Say whether a connection that failed did so by an answer, and not by silence. */
const isAtOnce = (began) => performance.now() - began < AT_ONCE_MS;

/**
 * Return {ice, dtls, small}: the states of the transport, and whether small packets come through.
 *
 * The checks of ICE are small, and the first packets of DTLS are not.
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

/** Say whether an AudioContext runs; Firefox opens the audio device first, or finds none. */
export function outputOf(audio, signal) {
  return within(OUTPUT_MS, signal, { late: false, stopped: false }, (finish) => {
    const tell = () => finish(audio.state === "running");
    audio.resume().then(tell, tell); // Safari needs to be told; without a device it never ends
  });
}

/**
 * Play the tone through relays of a server, and return what arrived.
 *
 * `audio` is an AudioContext; if it does not run, there is no tone. `onLevel` is called with 0 to 1
 * as the sound arrives, and `isAudible` says whether the tone is to be played to the operator.
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

/** Return an analyser on what arrives, and a way to let the operator hear it. */
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
  const end = performance.now() + LISTEN_MS;
  let [times, looks, last, since] = [0, 0, 0, 0]; // `since` counts looks after the last tone
  while ((performance.now() < end || looks < LOOKS) && !signal.aborted) {
    ear.volume.gain.setTargetAtTime(isAudible() ? 0.3 : 0, ear.volume.context.currentTime, 0.05);
    ear.analyser.getFloatTimeDomainData(wave);
    ear.analyser.getFloatFrequencyData(spectrum);
    const found = peak(spectrum, ear.analyser.context.sampleRate);
    onLevel(level(wave));
    [looks, since] = [looks + 1, since + 1];
    if (isTone(found, level(wave))) {
      [times, since, last] = [times + 1, 0, performance.now()];
      call.hz = Math.round(found);
    }
    call.heard = times >= NEEDED;
    call.brokeOff = times > 0 && since > 2 && performance.now() - last > SILENT_MS;
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
}

/** Return what is worth telling of getStats(). */
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

/** Return the STUN urls of the same server as a TURN url: its own over UDP, and those of od.config. */
export function stunOf({ host }, servers) {
  const same = servers.filter((one) => one.host === host && one.transport === "udp" && !one.secure);
  return [...new Set(same.map((one) => `stun:${bracketed(host)}:${one.port}`))].slice(0, 2);
}

/**
 * Connect this browser's own address with a relay, and return {state, peer, handshake, isAtQuota}.
 *
 * `state` is "works", "failed", "refused" where the browser gave up at once, as it does after a 403,
 * or "untried" where there was no relay, or no address of this network as the server sees it: `stun`
 * are the urls of the same server that are asked for it. `peer` is that address, `isAtQuota` says
 * that there was no relay since the server counts those of an earlier call yet.
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
    // without an address that the server may send to, nothing was tried
    else if (state === "failed" && hasRelay && outside.peer) {
      outside.state = refused ? "refused" : "failed";
    }
    return outside;
  } finally {
    near.close();
    far.close();
  }
}
