// Shows the page's parts. Text is inserted as text, never as markup.

import { place } from "./servers.js";
import { nodesOf, piecesOf } from "./text.js";
import { byAdvice, callText } from "./verdict.js";

const STATES = {
  waiting: ["", ""],
  working: ["", "Testing…"],
  ok: ["✓", "Works"],
  warning: ["!", "Warning"],
  error: ["✕", "Fails"],
  none: ["–", "Not tested"],
};

const find = (id) => document.getElementById(id);

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

const paragraph = (className, text) => element("p", { className }, ...nodesOf(text));

/** Label the button with what it does now. */
export function showRunning(running) {
  const button = find("start");
  button.textContent = running ? "Stop" : "Test again";
  button.classList.toggle("quiet", running);
}

/** Show a verdict, or progress (level "working"). */
export function showVerdict({ level, headline, problems = [], limits = "" }) {
  const box = find("verdict");
  box.hidden = false;
  box.dataset.level = level;
  const items = byAdvice(problems).map(({ texts, advice }) =>
    element("li", {},
      ...texts.map((text) => paragraph("problem", text)),
      ...(advice ? [paragraph("advice", advice)] : []),
    ));
  const list = items.length ? [element("ul", { className: "problems" }, ...items)] : [];
  const rest = limits ? [paragraph("limits", limits)] : [];
  box.replaceChildren(paragraph("headline", headline), ...list, ...rest);
}

/** Remove the report of an earlier test. */
export function clear() {
  find("report").hidden = true;
  find("copied").textContent = "";
}

/** List servers, and return their cards. */
export function showServers(servers) {
  const cards = servers.map((server) => new ServerCard(server));
  find("list").replaceChildren(...cards.map((card) => card.item));
  find("servers").hidden = !cards.length;
  return cards;
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
    await navigator.clipboard.writeText(text); // exists on https and localhost only
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
    const code = element("code", {}, ...piecesOf(server.url));
    const url = element("p", { className: "url" }, code);
    this.item = element("li", { className: "server" }, head, url, this.message);
    this.item.append(this.table, this.call);
    this.setLevel("waiting");
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
    const cells = (one) => [[one.type], piecesOf(place(one)), [one.protocol], [`${one.ms} ms`]];
    for (const one of candidates.slice(this.rows.rows.length)) {
      const row = cells(one).map((nodes) => element("td", {}, ...nodes));
      this.rows.append(element("tr", {}, ...row));
    }
  }

  showWaiting(text) {
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

  /** Show the diagnosis; the verdict shows the advice. */
  showDiagnosis({ level, message }) {
    this.setLevel(level);
    const text = message.charAt(0).toUpperCase() + message.slice(1);
    this.message.replaceChildren(...nodesOf(`${text}.`));
  }
}
