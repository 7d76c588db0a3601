import { startRelay } from "../support/relay.js";

/** Passes requests on at once and responses after a while, so that a client can be gone before they come. */
export async function startSlowProxy(targetPort: number, responseDelayMs: number) {
  const { baseUrl, shut } = await startRelay(targetPort, {
    onResponse: (chunk, near) =>
      setTimeout(() => near.destroyed || near.write(chunk), responseDelayMs),
  });
  return { baseUrl, close: shut };
}
