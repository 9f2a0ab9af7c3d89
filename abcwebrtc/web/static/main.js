// Runs the test, from the button to the verdict.

import { callThrough, fromOutside, outputOf, QUOTA, stunOf } from "./call.js";
import { diagnose, hasRelay, isRefusal } from "./diagnosis.js";
import { answersStun, gather, within } from "./gather.js";
import { doubtOf } from "./relays.js";
import { listServers } from "./servers.js";
import { judge, reportText } from "./verdict.js";
import version from "./version.js";
import { clear, showReport, showRunning, showServers, showVerdict } from "./view.js";

const PROGRESS_MS = 1000;
const LOOK_MS = 500;
const LOOKS = 60; // half a minute: a DNS that does not answer takes longer
const GIVEN_BACK_MS = 2500; // coturn still counts a relay for a second after its release

/** Ends a test before there are servers to judge. */
class Refusal extends Error {}

const REFUSALS = {
  401: "Your session has ended. Open a new link.",
  403: "WebRTC is turned off: webrtc.enable is False in od.config.",
  500: "The server can't make a credential. Its log says why.",
};
const ANOTHER =
  "Something other than abcwebrtc serve answered. Is there a proxy with its own login?";

async function post(path, signal) {
  let answer;
  try {
    const headers = { "Content-Type": "application/json" };
    answer = await fetch(path, { method: "POST", headers, body: "{}", signal });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new Refusal("The server of this page does not answer. Is it still running?");
  }
  const { result, message = "" } = (await answer.json().catch(() => null)) ?? {};
  if (answer.ok && !result) throw new Refusal(ANOTHER);
  if (answer.ok) return result;
  throw new Refusal(REFUSALS[answer.status] ?? `The server answers ${answer.status}. ${message}`);
}

const isAtQuota = (errors) => errors.some(({ code }) => code === QUOTA);

const isSilent = ({ server, ended, candidates, errors }) =>
  server.kind === "turn" && server.transport === "udp" && ended === "limit" &&
  !candidates.length && !errors.length;

function makeAudio() {
  if (typeof RTCPeerConnection === "undefined" || typeof AudioContext === "undefined") {
    throw new Refusal("This browser has no WebRTC or no WebAudio, or they are turned off.");
  }
  return new AudioContext();
}

/** One run of the test. */
class Test {
  constructor(audio) {
    this.audio = audio;
    this.stopping = new AbortController();
    this.output = outputOf(audio, this.stopping.signal); // opens while servers are tested
    this.results = [];
    this.verdict = null;
    this.doing = "";
    this.saying = null;
  }

  async run() {
    const { signal } = this.stopping;
    const configuration = await post("credential", signal);
    this.results = listServers(configuration).map((server) => ({
      server, candidates: [], errors: [], ended: "", call: null, look: null, outside: null,
    }));
    this.cards = showServers(this.results.map(({ server }) => server));
    for (const index of this.results.keys()) await this.#try(index);
    if (!signal.aborted) await this.#lookAtCertificates(signal);
    this.#judge(configuration.iceTransportPolicy);
  }

  /** Try one server; in parallel, they would use up each other's quota. */
  async #try(index) {
    const [result, card] = [this.results[index], this.cards[index]];
    const { signal } = this.stopping;
    if (signal.aborted) {
      result.ended = "stopped";
      return;
    }
    this.place = `${result.server.label} (${index + 1} of ${this.results.length})`;
    card.setLevel("working");
    this.#say(`Trying ${this.place}…`);
    if (index) await this.#renewLogin(result); // it may have expired during the earlier servers
    await gather(result, signal, () => card.showCandidates(result.candidates));
    if (isAtQuota(result.errors) && !hasRelay(result)) await this.#gatherAgain(result, card);
    if (isSilent(result)) result.binding = await answersStun(result.server, signal);
    if (result.server.kind === "turn" && hasRelay(result)) await this.#call(result, card);
    card.showDiagnosis(diagnose(result, this.results));
  }

  /** Ask for a relay once more, after earlier calls of this test have released theirs. */
  async #gatherAgain(result, card) {
    if (!(await this.#relaysGivenBack(card))) return;
    await this.#renewLogin(result);
    Object.assign(result, { candidates: [], errors: [], ended: "" });
    await gather(result, this.stopping.signal, () => card.showCandidates(result.candidates));
  }

  async #call(result, card) {
    card.showWaiting("Waiting for the audio output…");
    await this.output;
    if (this.stopping.signal.aborted) return;
    this.#say(`Calling through ${this.place}…`);
    await this.#tryCall(result, card);
    if (isAtQuota(result.call.errors) && (await this.#relaysGivenBack(card))) {
      await this.#tryCall(result, card);
    }
    if (result.call.state === "connected") await this.#tryOutside(result, card);
    card.showCall(result);
  }

  /** Try to reach a server's relays from outside, once for each port of the server. */
  async #tryOutside(result, card) {
    const isSame = ({ server }) =>
      server.host === result.server.host && server.port === result.server.port;
    result.outside = this.results.find((one) => one.outside && isSame(one))?.outside ?? null;
    const stun = stunOf(result.server, this.results.map((one) => one.server));
    const doubt = doubtOf(result, this.results); // a private relay needs no test
    if (result.outside || !stun.length || doubt?.word === "private-relay") return;
    card.showWaiting("Sending to the relay from outside…");
    await this.#sendFromOutside(result, stun);
    if (result.outside.isAtQuota && (await this.#relaysGivenBack(card))) {
      await this.#sendFromOutside(result, stun);
    }
  }

  async #sendFromOutside(result, stun) {
    await this.#renewLogin(result);
    result.outside = await fromOutside(result.server, stun, this.stopping.signal);
  }

  async #tryCall(result, card) {
    await this.#renewLogin(result);
    card.showCalling();
    result.call = await callThrough(result.server, this.audio, this.stopping.signal, {
      isAudible: () => document.getElementById("audible").checked,
      onLevel: (value) => card.setMeter(value),
    });
  }

  /** Wait until relays are released, and say whether the test goes on. */
  async #relaysGivenBack(card) {
    const { signal } = this.stopping;
    if (!signal.aborted) card.showWaiting("Waiting for the server to release the earlier relays…");
    await within(GIVEN_BACK_MS, signal, {}, () => {});
    return !signal.aborted;
  }

  /** Get a fresh credential; the first may have expired during the earlier calls. */
  async #renewLogin(result) {
    const configuration = await post("credential", this.stopping.signal).catch(() => ({}));
    const fresh = listServers(configuration)[this.results.indexOf(result)];
    if (fresh?.url === result.server.url) result.server = fresh;
  }

  async #lookAtCertificates(signal) {
    const isUnreached = (one) => !hasRelay(one) && !one.errors.some(isRefusal);
    const fails = (one) => isUnreached(one) && diagnose(one, this.results).level === "error";
    const isLookedAt = ({ server }) => server.secure || server.kind === "turn";
    const failed = this.results.filter((one) => isLookedAt(one) && fails(one));
    if (!failed.length) return;
    this.#endSaying();
    showVerdict({ level: "working", headline: "Asking abcwebrtc serve what it sees of the servers that failed…" });
    const looks = await this.#looksOfServe(signal);
    for (const result of failed) {
      const { host, port, secure, transport } = result.server;
      result.look = looks[secure ? `${host}:${port}` : `${transport}:${host}:${port}`] ?? null;
    }
  }

  /** Return what serve sees, or has seen after LOOKS tries; nothing for a user's token. */
  async #looksOfServe(signal) {
    let seen = {};
    for (let asked = 0; asked < LOOKS && !signal.aborted; asked += 1) {
      const answer = await post("certificates", signal).catch(() => ({}));
      seen = answer.seen ?? seen;
      if (!answer.looking) break;
      await within(LOOK_MS, signal, {}, () => {});
    }
    return seen;
  }

  /** Show progress, but not too often: a screen reader reads all of it each time. */
  #say(doing) {
    this.doing = doing;
    this.saying ??= setTimeout(() => {
      this.saying = null;
      showVerdict({ level: "working", headline: this.doing });
    }, PROGRESS_MS);
  }

  #endSaying() {
    clearTimeout(this.saying);
    this.saying = null;
  }

  /** Release everything, even after a failure. */
  end() {
    this.#endSaying();
    this.stopping.abort();
    this.audio.close();
  }

  #judge(policy) {
    for (const [index, result] of this.results.entries()) {
      this.cards[index].showDiagnosis(diagnose(result, this.results));
    }
    this.verdict = judge(this.results, policy);
    showVerdict(this.verdict);
    const facts = [
      ["abcwebrtc", version],
      ["Browser", navigator.userAgent],
      ["Time", new Date().toISOString().replace(/\.\d+/, "")],
    ];
    showReport(reportText(this.verdict, this.results, facts));
  }
}

let running = null;
const beforehand = new AbortController();

/** List the servers before the test, or say why that fails. */
async function showPlan({ signal }) {
  try {
    const configuration = await post("credential", signal);
    if (!signal.aborted) showServers(listServers(configuration));
  } catch (error) {
    if (!signal.aborted) showVerdict(failure(error));
  }
}

function failure(error) {
  if (error instanceof Refusal) return { level: "error", headline: error.message };
  const lines = String(error.stack).split("\n"); // the message may quote anything, so leave it out
  console.error([error.name, ...lines.filter((line) => /^\s+at |@/.test(line))].join("\n"));
  return { level: "error", headline: "The test itself failed. The browser's console says where." };
}

async function start() {
  beforehand.abort();
  clear();
  showRunning(true);
  showVerdict({ level: "working", headline: "Asking for a credential…" });
  try {
    running = new Test(makeAudio()); // here: browsers start audio only in answer to a click
    await running.run();
  } catch (error) {
    const aborted = running?.stopping.signal.aborted;
    showVerdict(aborted ? { level: "none", headline: "Stopped." } : failure(error));
  } finally {
    running?.end();
    running = null;
    showRunning(false);
  }
}

// A link that is opened during a session is not needed; hide its key.
if (location.hash) history.replaceState(null, "", location.pathname);
addEventListener("hashchange", () => location.reload());

const button = document.getElementById("start");
button.addEventListener("click", () => {
  if (running) running.stopping.abort();
  else start();
});
button.disabled = false; // until now a click would do nothing
showPlan(beforehand);
