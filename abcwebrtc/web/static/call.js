// A call of this page with itself, over relays of one server only, with a tone in it.

import { addError, configurationOf } from "./gather.js";
import { handshakeOf } from "./handshake.js";
import { isAtOnce } from "./outside.js";
import { FFT_SIZE, isTone, level, peak, TONE_HZ } from "./tone.js";

const CONNECT_MS = 20000; // a round trip of 800 ms makes it 7 seconds over TLS
const LISTEN_MS = 2500;
const LOOKS = 8; // at least: a hidden page has one in a second
const SILENT_MS = 800; // a gap that is no loss of packets
const OUTPUT_MS = 5000;
const NEEDED = 5; // times that the tone has to be found

/** Say whether an AudioContext runs; Firefox opens the audio device first, or finds none. */
export function outputOf(audio, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), OUTPUT_MS);
    const finish = () => {
      clearTimeout(timer);
      resolve(audio.state === "running");
    };
    signal.addEventListener("abort", finish, { once: true });
    audio.resume().then(finish, finish); // Safari needs to be told; without a device it never ends
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
  const [near, far] = [new RTCPeerConnection(settings), new RTCPeerConnection(settings)];
  const source = toneSource(audio);
  let ear = null;
  try {
    join(near, far, call.errors);
    const arrived = new Promise((resolve) => {
      far.ontrack = ({ track }) => resolve(new MediaStream([track]));
    });
    near.addTrack(source.stream.getAudioTracks()[0], source.stream);
    const began = performance.now();
    call.state = await connected(near, far, signal);
    call.lacksRelay = ![near, far].every(hasCandidates);
    call.isReached = ["connected", "completed"].includes(far.iceConnectionState);
    call.isRefused = call.state === "failed" && isAtOnce(began);
    call.handshake = await handshakeOf(far);
    if (call.state !== "connected") return call;
    call.ms = Math.round(performance.now() - began);
    ear = openEar(await arrived, audio);
    await listen(ear, call, signal, onLevel, isAudible);
    if (signal.aborted) call.state = "stopped";
    call.noOutput = !call.heard && audio.state !== "running";
    Object.assign(call, readStats(await far.getStats()));
    return call;
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

function join(near, far, errors) {
  for (const [one, other] of [[near, far], [far, near]]) {
    one.onicecandidate = ({ candidate }) => {
      other.addIceCandidate(candidate ?? undefined).catch(() => {});
    };
    one.onicecandidateerror = (event) => addError(errors, event);
  }
}

async function connected(near, far, signal) {
  const state = new Promise((resolve) => {
    const timer = setTimeout(() => resolve("failed"), CONNECT_MS);
    signal.addEventListener("abort", () => resolve("stopped"), { once: true });
    const finish = (how) => {
      clearTimeout(timer);
      resolve(how);
    };
    far.onconnectionstatechange = () => {
      if (["connected", "failed"].includes(far.connectionState)) finish(far.connectionState);
    };
    for (const one of [near, far]) {
      one.onicegatheringstatechange = () => {
        if (one.iceGatheringState === "complete" && !hasCandidates(one)) finish("failed");
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
