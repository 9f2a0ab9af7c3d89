// A call with the sound container: it offers, the browser answers, both send candidates.

import { masked } from "./endpoint.js";

const PATIENCE = 15000; // milliseconds to wait for the other side
const NO_PACKETS = "The connection failed: no packets get through between the two sides.";

/**
 * One call. `tell` has the page's functions: say(text), fail(text), hear(stream), state(text).
 * `options` are { user, relay }; with relay the call uses only TURN.
 */
export class Call {
  constructor(sound, options, tell) {
    this.sound = sound;
    this.options = options;
    this.tell = tell;
    this.peer = null;
    this.microphone = null; // a promise of a stream, or of null
    this.closed = false;
    this.connected = false;
    this.refusals = [];
    this.relays = 0;
    this.remoteCandidates = 0;
  }

  /** Register with the signalling, and wait for the container's call. */
  start() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const user = encodeURIComponent(this.options.user);
    this.socket = new WebSocket(`${scheme}//${location.host}/signalling?user=${user}`);
    this.socket.onopen = () => this.socket.send(`HELLO ${this.options.user}`);
    this.socket.onmessage = ({ data }) => this.receive(data).catch((error) => this.giveUp(error));
    this.socket.onclose = () => this.tell.fail("The sound container's signalling has ended.");
    this.tell.say("Connecting to the signalling");
    this.expect(() => this.peer, () => "The sound container does not call: no offer arrived.");
  }

  /** End the call, and release the microphone. */
  close() {
    this.closed = true;
    this.socket.onclose = null;
    this.socket.close();
    this.peer?.close();
    this.microphone?.then((stream) => stream?.getTracks().forEach((track) => track.stop()));
  }

  /** Fail with the text of `otherwise`, unless a condition becomes true in time. */
  expect(condition, otherwise) {
    setTimeout(() => this.closed || condition() || this.tell.fail(otherwise()), PATIENCE);
  }

  giveUp(error) {
    this.close();
    this.tell.fail(`The browser refuses the call. ${error}`);
  }

  async receive(text) {
    if (text === "HELLO") {
      this.tell.say("Registered with the signalling, waiting for the call");
      return;
    }
    const message = JSON.parse(text);
    this.peer ??= this.connect();
    await (message.sdp ? this.answer(message.sdp) : this.addCandidate(message.ice));
  }

  connect() {
    const { configuration } = this.sound;
    this.tell.say(`rtc_configuration=${masked(configuration)}`);
    const relayOnly = { ...configuration, iceTransportPolicy: "relay" };
    const peer = new RTCPeerConnection(this.options.relay ? relayOnly : configuration);
    peer.ontrack = (event) => this.tell.hear(new MediaStream([event.track]));
    peer.onicecandidate = (event) => this.sendCandidate(event.candidate);
    peer.onicecandidateerror = (event) => this.refused(event);
    peer.onconnectionstatechange = () => this.stateChanged(peer.connectionState);
    this.tell.say("Created peer connection for call and creating SDP");
    this.microphone = this.openMicrophone();
    return peer;
  }

  async openMicrophone() {
    try {
      return await navigator.mediaDevices.getUserMedia(this.sound.constraints);
    } catch (error) {
      this.tell.say(`No microphone, so you can only listen: ${error.name}`);
      return null;
    }
  }

  async answer(offer) {
    await this.peer.setRemoteDescription(offer);
    const stream = await this.microphone;
    stream?.getTracks().forEach((track) => this.peer.addTrack(track, stream));
    this.tell.say("Local stream answer");
    await this.peer.setLocalDescription(await this.peer.createAnswer());
    this.send({ sdp: this.peer.localDescription });
    this.expect(() => this.connected, () => this.whatIsMissing());
  }

  async addCandidate(ice) {
    const candidate = new RTCIceCandidate(ice);
    this.remoteCandidates += 1;
    const { foundation, type, address } = candidate;
    this.tell.say(`Exchange from foundation ${foundation}: ${type} ${address}`);
    await this.peer.addIceCandidate(candidate);
  }

  sendCandidate(candidate) {
    if (candidate) {
      this.relays += candidate.type === "relay" ? 1 : 0;
      this.send({ ice: candidate });
      return;
    }
    this.tell.say("ICE Candidate was null, done");
    if (!this.relays && this.options.relay) {
      this.tell.fail(this.whatIsMissing());
    }
  }

  /** Say why there is no connection. */
  whatIsMissing() {
    if (!this.relays && this.options.relay) {
      return `No relay: ${this.refusals.join("; ") || "the TURN server does not answer"}.`;
    }
    if (!this.remoteCandidates) {
      return "The sound container sent no candidate: check its STUN_SERVER and TURN_SERVER.";
    }
    return NO_PACKETS;
  }

  refused({ errorCode, errorText, url }) {
    const text = `${url} gives ${errorCode} ${errorText}`.replace(/[ .]+$/, "");
    this.refusals.push(text);
    this.tell.say(`ICE candidate error: ${text}`);
  }

  stateChanged(state) {
    this.tell.say(`Connection ${state}`);
    this.tell.state(state);
    this.connected ||= state === "connected";
    if (state === "disconnected") {
      this.tell.fail("The connection is lost: the TURN server or the desktop does not answer.");
    } else if (state === "failed") {
      this.tell.fail(NO_PACKETS);
    }
  }

  send(message) {
    if (this.socket.readyState === WebSocket.OPEN) {
      this.socket.send(JSON.stringify(message));
    }
  }
}
