// What is seen. Text goes in as text, never as markup.

import { place } from "./servers.js";
import { callText } from "./verdict.js";

const STATES = {
  working: ["", "Testing…"],
  ok: ["✓", "Works"],
  warning: ["!", "Look here"],
  error: ["✕", "Fails"],
  none: ["–", "Not tested"],
};

const find = (id) => document.getElementById(id);

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function adviceOf({ advice }) {
  return advice ? [" ", element("span", { className: "advice" }, advice)] : [];
}

/** Show what the button does now. */
export function showRunning(running) {
  const button = find("start");
  button.textContent = running ? "Stop" : "Test again";
  button.classList.toggle("quiet", running);
}

/** Show a verdict, or what is being done (level "working"). */
export function showVerdict({ level, headline, problems = [], limits = "" }) {
  const box = find("verdict");
  box.hidden = false;
  box.dataset.level = level;
  const items = problems.map((problem) => element("li", {}, problem.text, ...adviceOf(problem)));
  const list = items.length ? [element("ul", {}, ...items)] : [];
  const rest = limits ? [element("p", { className: "limits" }, limits)] : [];
  box.replaceChildren(element("p", { className: "headline" }, headline), ...list, ...rest);
}

/** Take away the servers and the report of an earlier test. */
export function clear() {
  find("list").replaceChildren();
  find("servers").hidden = true;
  find("report").hidden = true;
  find("copied").textContent = "";
}

/** Show the report, and copy it when asked to. */
export function showReport(text) {
  find("report-text").textContent = text;
  find("report").hidden = false;
  find("details").open = false;
  find("copied").textContent = "";
  find("copy").onclick = () => copy(text);
}

async function copy(text) {
  const said = find("copied");
  try {
    await navigator.clipboard.writeText(text); // browsers have it on https and localhost only
    said.textContent = "Copied.";
  } catch {
    find("details").open = true;
    getSelection().selectAllChildren(find("report-text"));
    const done = document.execCommand("copy");
    said.textContent = done ? "Copied." : "The report is selected: copy it with your keyboard.";
  }
}

/** A server in the list. */
export class ServerCard {
  constructor(server) {
    this.rows = element("tbody");
    this.message = element("p", { className: "message" });
    this.mark = element("span", { className: "mark" });
    this.mark.setAttribute("aria-hidden", "true");
    this.word = element("span");
    this.table = this.#makeTable(server.label);
    this.call = this.#makeCall(server.label);
    const head = element(
      "div", { className: "head" },
      element("h3", {}, server.name),
      element("p", { className: "state" }, this.mark, this.word),
    );
    const url = element("p", { className: "url" }, element("code", {}, server.url));
    this.item = element("li", { className: "server" }, head, url, this.message);
    this.item.append(this.table, this.call);
    this.setLevel("working");
    find("servers").hidden = false;
    find("list").append(this.item);
  }

  #makeTable(label) {
    const names = ["Type", "Address", "Protocol", "Time"];
    const heads = names.map((text) => element("th", { scope: "col" }, text));
    const caption = element("caption", { className: "unseen" }, `Candidates of ${label}`);
    const head = element("thead", {}, element("tr", {}, ...heads));
    return element("table", { hidden: true }, caption, head, this.rows);
  }

  #makeCall(label) {
    this.meter = element("div", { className: "meter" }, element("div", { className: "bar" }));
    this.meter.setAttribute("role", "meter");
    this.meter.setAttribute("aria-label", `Level of the tone through ${label}`);
    this.meter.setAttribute("aria-valuemin", "0");
    this.meter.setAttribute("aria-valuemax", "100");
    this.setMeter(0);
    this.facts = element("ul", { className: "facts" });
    return element("div", { className: "call", hidden: true }, this.meter, this.facts);
  }

  setLevel(level) {
    const [mark, word] = STATES[level];
    this.item.dataset.level = level;
    this.mark.textContent = mark;
    this.word.textContent = word;
  }

  setMeter(value) {
    const percent = Math.round(value * 100);
    this.meter.setAttribute("aria-valuenow", String(percent));
    this.meter.setAttribute("aria-valuetext", `${percent} percent`);
    this.meter.firstChild.style.transform = `scaleX(${value})`;
  }

  showCandidates(candidates) {
    this.table.hidden = !candidates.length;
    const cells = (one) => [one.type, place(one), one.protocol, `${one.ms} ms`];
    for (const one of candidates.slice(this.rows.rows.length)) {
      this.rows.append(element("tr", {}, ...cells(one).map((text) => element("td", {}, text))));
    }
  }

  showWaiting(text = "Waiting for its call…") {
    this.meter.hidden = true;
    this.showFacts(text);
  }

  showCalling() {
    this.meter.hidden = false;
    this.showFacts("Calling…");
  }

  showFacts(...texts) {
    this.call.hidden = false;
    this.facts.replaceChildren(...texts.map((text) => element("li", {}, text)));
  }

  showCall(result) {
    this.meter.hidden = true;
    this.showFacts(...callText(result));
  }

  showDiagnosis({ level, message, advice }) {
    this.setLevel(level);
    const text = message.charAt(0).toUpperCase() + message.slice(1);
    this.message.replaceChildren(`${text}.`, ...adviceOf({ advice }));
  }
}
