// Asks the control plane what abcdesktop's browser client asks, in the same order.

const KEYINFO = "/API/core/getkeyinfo";
const RTC_CONFIGURATION = "/API/webrtc/coturn_rtcconfiguration";

/** Why the page has no sound, in words for its user. */
export class Failure extends Error {}

/** Return what a call needs: the unchanged RTCConfiguration, and constraints for getUserMedia. */
export async function askForSound(token) {
  if (!window.isSecureContext) {
    throw new Failure("The browser allows no microphone here: use https, or localhost.");
  }
  const enabled = await keyInfo("webrtc.enable");
  if (enabled !== true) {
    throw new Failure(`Sound is off: webrtc.enable is ${JSON.stringify(enabled)}, not true.`);
  }
  const answer = await post(RTC_CONFIGURATION, {}, { ABCAuthorization: `Bearer ${token}` });
  const constraints = await keyInfo("webrtc.rtc_constraints");
  return { configuration: answer.result, constraints };
}

async function keyInfo(provider) {
  return (await post(KEYINFO, { provider }, {})).id;
}

async function post(path, body, headers) {
  const response = await fetch(path, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "Content-Type": "application/json", ...headers },
  });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) {
    const reason = answer.message ? `: ${answer.message}` : "";
    throw new Failure(`${path} answers ${response.status}${reason}.`);
  }
  return answer;
}

/** Return an RTCConfiguration as text without its passwords, for the console. */
export function masked(configuration) {
  return JSON.stringify(configuration, (key, value) => (key === "credential" ? "..." : value));
}
