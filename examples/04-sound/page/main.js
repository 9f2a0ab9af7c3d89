// The page: ?user=NAME names the desktop's user, ?relay allows only TURN, ?start needs no click.

import { Call } from "./call.js";
import { Failure, askForSound } from "./endpoint.js";
import { Listener, statistics } from "./listen.js";

const EVERY = 200; // milliseconds between two looks at what is heard
const UNHEARD = "unknown: this browser has no audio output, or needs a click first";

const query = new URLSearchParams(location.search);
const options = { user: query.get("user") ?? "alice", relay: query.has("relay") };
const element = (id) => document.getElementById(id);

/** What programs can read from the page. */
const sound = {
  state: "idle",
  failures: [],
  heardAfter: null,
  measure,
  levelAt: (hertz) => listener?.levelAt(hertz) ?? -120,
  statistics: () => (call?.peer ? statistics(call.peer) : null),
  start,
  stop,
};
window.sound = sound;

let call = null;
let listener = null;
let since = 0; // when it began to connect, in milliseconds

const tell = {
  say(text) {
    console.log(text);
    element("log").append(Object.assign(document.createElement("li"), { textContent: text }));
  },
  fail(text) {
    sound.failures.push(text);
    sound.state = "failed";
    show(`No sound. ${sound.failures[0]}`, true);
    tell.say(`FAILED: ${text}`);
  },
  state(text) {
    if (text === "connected") {
      sound.failures.length = 0;
      show("Connected.", false);
    }
    sound.state = text;
  },
  hear(stream) {
    element("speaker").srcObject = stream;
    element("speaker").play().catch((error) => tell.say(`Not played aloud: ${error.message}`));
    listener = new Listener(stream);
  },
};

async function start() {
  stop();
  since = performance.now();
  sound.state = "asking";
  show("Connecting.", false);
  try {
    const token = await fetch(`/login/${encodeURIComponent(options.user)}`);
    if (!token.ok) {
      throw new Failure(`There is no user ${options.user} here.`);
    }
    call = new Call(await askForSound(await token.text()), options, tell);
    call.start();
  } catch (error) {
    tell.fail(error instanceof Failure ? error.message : String(error));
  }
}

function stop() {
  call?.close();
  listener?.context.close();
  call = listener = null;
  Object.assign(sound, { state: "idle", failures: [], heardAfter: null });
}

function show(text, isFailure) {
  element("status").textContent = text;
  element("status").classList.toggle("failure", isFailure);
}

function measure() {
  const heard = listener?.measure() ?? { level: -120, tone: null };
  if (heard.tone !== null && sound.heardAfter === null) {
    sound.heardAfter = performance.now() - since;
    tell.say(`Sound after ${Math.round(sound.heardAfter)} ms`);
  }
  return heard;
}

async function look() {
  const { level, tone } = measure();
  element("level").value = level;
  const silence = listener && !listener.works ? UNHEARD : "none";
  element("tone").textContent = tone === null ? silence : `${Math.round(tone)} Hz`;
  const seen = await sound.statistics();
  if (listener?.isSteady(tone)) {
    const packets = `${seen.received} packets received, ${seen.lost} lost`;
    tell.say(`Heard ${Math.round(tone)} Hz, ${seen.local} to ${seen.remote}, ${packets}`);
  }
  element("way").textContent = seen?.local ? `${seen.local} to ${seen.remote}` : "none";
  element("packets").textContent = seen ? `${seen.received} received, ${seen.lost} lost` : "none";
}

element("user").textContent = options.user;
element("start").onclick = start;
setInterval(look, EVERY);
if (query.has("start")) {
  start();
}
