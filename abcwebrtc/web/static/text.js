// Turns text into nodes: sets what you type as code, and breaks lines only at blanks and before ports.

/** A command in the quotes of causes.json, or a key and its value in od.config. */
const QUOTED = /'(abcwebrtc [^']+)'|('\w+': '\w+')/;
const PROGRAM = /(abcwebrtc serve)/;
const LINE = /^\(?[a-z][a-z-]*=\S*[^\s,;.)]/; // a line of turnserver.conf
/** An address with a port: a url, a name or IPv4, or IPv6 in brackets, and what follows. */
const ADDRESS = /^((?:[a-z]+:)?(?:\[[^\]]+\]|[^:[\]]+))(:\d+(?:[?),.;].*)?)$/i;

function element(name, className, ...children) {
  const made = Object.assign(document.createElement(name), { className });
  made.append(...children);
  return made;
}

/** Return the nodes of a text. */
export function nodesOf(text) {
  return text.split(QUOTED).flatMap((part, index) => {
    if (part === undefined) return [];
    return index % 3 ? [codeOf(part)] : plainNodesOf(part);
  });
}

function plainNodesOf(text) {
  const parts = text.split(PROGRAM);
  return parts.flatMap((part, index) => (index % 2 ? [codeOf(part)] : wordsOf(part, true)));
}

/** Return a text as code that breaks only at blanks. */
const codeOf = (text) => element("code", "", ...wordsOf(text, false));

const wordsOf = (text, hasLines) =>
  text.split(/(\s+)/).flatMap((word) => (hasLines && LINE.test(word) ? lineOf(word) : wordOf(word)));

function lineOf(word) {
  const [, before, line, after] = /^(\(?)(.*?)([,;.)]*)$/.exec(word);
  return [before, codeOf(line), after];
}

function wordOf(word) {
  return /\S[^\s\w]\S|_/.test(word) ? piecesOf(word) : [word];
}

/** Return an address as two unbreakable pieces, the second being the port; other words as one. */
export function piecesOf(word) {
  const [, host, port] = ADDRESS.exec(word) ?? [];
  return (host ? [host, port] : [word]).map((piece) => element("span", "piece", piece));
}
