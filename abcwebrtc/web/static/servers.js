// Reads the urls of an rtc_configuration. Pure: nothing is contacted.

const LABELS = {
  "stun udp": "STUN",
  "stuns tcp": "STUN/TLS",
  "turn udp": "TURN/UDP",
  "turn tcp": "TURN/TCP",
  "turns tcp": "TURN/TLS",
  "turns udp": "TURN/DTLS",
};

/** Return the servers of an RTCConfiguration, one for each url, in its order. */
export function listServers(configuration) {
  const servers = [];
  for (const entry of configuration.iceServers ?? []) {
    for (const url of [entry.urls].flat()) {
      servers.push({ ...readUrl(url), entry });
    }
  }
  return withDistinctLabels(servers);
}

/** Take a stun or turn url apart (RFC 7064, RFC 7065). */
export function readUrl(url) {
  const [, scheme = "", host = "", port, query = ""] =
    /^(\w+):(\[[^\]]*\]|[^:?]*)(?::(\d+))?(?:\?(.*))?$/.exec(url) ?? [];
  const name = scheme.toLowerCase();
  const secure = name.endsWith("s");
  const transport = /transport=(\w+)/i.exec(query)?.[1].toLowerCase() ?? (secure ? "tcp" : "udp");
  const label = LABELS[`${name} ${transport}`] ?? name.toUpperCase();
  return {
    url,
    kind: name.startsWith("turn") ? "turn" : "stun",
    secure,
    transport,
    host: host.replace(/^\[|\]$/g, "").toLowerCase(),
    port: Number(port ?? (secure ? 5349 : 3478)),
    name: label, // in a list of servers, several may have it
    label,
  };
}

/** Add the host, and if needed the port, to labels that occur more than once. */
function withDistinctLabels(servers) {
  const count = (list, text) => list.filter((one) => one === text).length;
  const plain = servers.map((one) => one.label);
  const hosts = servers.map((one) => `${one.label} at ${bracketed(one.host)}`);
  return servers.map((one, index) => {
    if (count(plain, plain[index]) === 1) return one;
    const label = count(hosts, hosts[index]) === 1 ? hosts[index] : `${hosts[index]}:${one.port}`;
    return { ...one, label };
  });
}

/** Return the parts of a candidate line (RFC 8839, section 5.1). */
export function readCandidate(line) {
  const words = line.replace(/^candidate:/, "").split(" ");
  const [, , protocol = "", , address = "", port = ""] = words;
  const type = words[words.indexOf("typ") + 1] ?? "";
  return { type, address, port: Number(port), protocol: protocol.toUpperCase() };
}

/** Say whether a host is an IP address, not a name. */
export function isAddress(host) {
  return host.includes(":") || /^\d+(\.\d+){3}$/.test(host);
}

/** Return an address with its port, IPv6 in brackets. */
export function place({ address, port }) {
  return `${bracketed(address)}:${port}`;
}

/** Return a host as in a url, IPv6 in brackets. */
export const bracketed = (host) => (host.includes(":") ? `[${host}]` : host);

/** Return "a", "a and b", or "a, b and c". */
export function inWords(words) {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}
