// Measures what arrives: how loud it is, its loudest tone, and its route.

const FFT_SIZE = 16384; // 2.9 Hz at 48 kHz
const SILENCE = -70; // dB of full scale

const STEADY = 5; // looks
const near = (one, other) => Math.abs(one - other) < 10; // Hz

/** Measures a stream while an <audio> element plays it. */
export class Listener {
  constructor(stream) {
    this.context = new AudioContext();
    this.analyser = new AnalyserNode(this.context, { fftSize: FFT_SIZE, smoothingTimeConstant: 0 });
    this.context.createMediaStreamSource(stream).connect(this.analyser);
    this.samples = new Float32Array(FFT_SIZE);
    this.spectrum = new Float32Array(this.analyser.frequencyBinCount);
    this.looks = [];
  }

  /** Note the tone of one look; say whether it has just been the same in STEADY looks. */
  isSteady(tone) {
    this.looks = tone === null ? [] : [...this.looks.filter((one) => near(one, tone)), tone];
    return this.looks.length === STEADY;
  }

  /** Say whether it can hear. Firefox runs an AudioContext only with an audio output. */
  get works() {
    return this.context.state === "running";
  }

  /** Return { level, tone }: dB of full scale, and Hz, or null for silence. */
  measure() {
    this.analyser.getFloatTimeDomainData(this.samples);
    const power = this.samples.reduce((sum, value) => sum + value * value, 0) / FFT_SIZE;
    const level = Math.max(-120, 10 * Math.log10(power));
    return { level, tone: level > SILENCE ? this.tone() : null };
  }

  /** Return the level of a tone, in dB of full scale. */
  levelAt(hertz) {
    this.analyser.getFloatFrequencyData(this.spectrum);
    return this.spectrum[Math.round(hertz / this.hertzPerBin())];
  }

  tone() {
    this.analyser.getFloatFrequencyData(this.spectrum);
    const bin = this.spectrum.reduce((best, value, i, all) => (value > all[best] ? i : best), 1);
    const [left, top, right] = this.spectrum.slice(bin - 1, bin + 2);
    const offset = (left - right) / (2 * (left - 2 * top + right)); // the peak of their parabola
    return (bin + (offset || 0)) * this.hertzPerBin();
  }

  hertzPerBin() {
    return this.context.sampleRate / FFT_SIZE;
  }
}

/** Return what getStats() says about a call: its route and its packets. */
export async function statistics(peer) {
  const all = [...(await peer.getStats()).values()];
  const byId = (id) => all.find((one) => one.id === id) ?? {};
  const selected = all.find((one) => one.type === "transport")?.selectedCandidatePairId;
  const pair = all.find((one) => one.id === selected) ?? all.find((one) => one.nominated) ?? {};
  const [local, remote] = [byId(pair.localCandidateId), byId(pair.remoteCandidateId)];
  const inbound = all.find((one) => one.type === "inbound-rtp") ?? {};
  return {
    local: local.candidateType ?? null,
    remote: remote.candidateType ?? null,
    relayProtocol: local.relayProtocol ?? null,
    relayUrl: local.url ?? null,
    received: inbound.packetsReceived ?? 0,
    lost: inbound.packetsLost ?? 0,
    sent: all.find((one) => one.type === "outbound-rtp")?.packetsSent ?? 0,
  };
}
