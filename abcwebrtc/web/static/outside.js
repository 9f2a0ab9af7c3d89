// Whether data from outside of a server reaches its relays: a call of this page with itself, of which
// one side has a relay, and the other none.

import { configurationOf } from "./gather.js";
import { handshakeOf } from "./handshake.js";

const LIMIT_MS = 8000; // where it works, it takes a tenth of a second

const QUOTA = 486;

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
      far.addIceCandidate(candidate ?? undefined).catch(() => {});
    };
    far.onicecandidate = ({ candidate }) => {
      if (candidate?.type === "srflx") outside.peer ||= candidate.address;
      near.addIceCandidate(candidate ?? undefined).catch(() => {});
    };
    near.onicecandidateerror = ({ errorCode }) => {
      outside.isAtQuota ||= errorCode === QUOTA;
    };
    near.createDataChannel("test");
    const state = await connected(near, far, signal);
    outside.handshake = await handshakeOf(near);
    if (state === "works") return Object.assign(outside, { state });
    // without an address that the server may send to, nothing was tried
    if (hasRelay && outside.peer && ["failed", "refused"].includes(state)) outside.state = state;
    return outside;
  } finally {
    near.close();
    far.close();
  }
}

async function connected(near, far, signal) {
  const began = performance.now();
  const end = new Promise((resolve) => {
    const timer = setTimeout(() => resolve("failed"), LIMIT_MS);
    const finish = (state) => {
      clearTimeout(timer);
      resolve(state);
    };
    signal.addEventListener("abort", () => finish("stopped"), { once: true });
    near.onicegatheringstatechange = () => {
      const isBare = !near.localDescription.sdp.includes("a=candidate:");
      if (near.iceGatheringState === "complete" && isBare) finish("untried");
    };
    near.onconnectionstatechange = () => {
      if (near.connectionState === "connected") finish("works");
      if (near.connectionState === "failed") finish(isAtOnce(began) ? "refused" : "failed");
    };
  });
  await near.setLocalDescription();
  await far.setRemoteDescription(near.localDescription);
  await far.setLocalDescription();
  await near.setRemoteDescription(far.localDescription);
  return signal.aborted ? "stopped" : end;
}

const AT_ONCE_MS = 4000; // silence is waited for longer by every browser

/** Say whether a connection that failed did so by an answer, and not by silence. */
export const isAtOnce = (began) => performance.now() - began < AT_ONCE_MS;

/** Return the STUN urls of the same server as a TURN url: its own over UDP, and those of od.config. */
export function stunOf({ host }, servers) {
  const address = host.includes(":") ? `[${host}]` : host;
  const same = servers.filter((one) => one.host === host && one.transport === "udp" && !one.secure);
  return [...new Set(same.map((one) => `stun:${address}:${one.port}`))].slice(0, 2);
}
