// How far ICE and DTLS came, by getStats().

const CHECKS = 4; // with fewer there is nothing to compare
const MOST = 0.75; // of the small packets come through, so that it is no loss

/**
 * Return {ice, dtls, small}: the states of the transport, and whether small packets come through.
 *
 * The checks of ICE are small, and the first packets of DTLS are not.
 */
export async function handshakeOf(connection) {
  const all = [...(await connection.getStats()).values()];
  const transport = all.find((one) => one.type === "transport") ?? {};
  const pairs = all.filter((one) => one.type === "candidate-pair");
  const pair = pairs.find((one) => one.state === "succeeded") ?? {};
  const { requestsSent = 0, responsesReceived = 0 } = pair;
  const isWhole = requestsSent >= CHECKS && responsesReceived / requestsSent >= MOST;
  return {
    ice: transport.iceState ?? connection.iceConnectionState,
    dtls: transport.dtlsState ?? "",
    small: isWhole,
  };
}
