import { prefixBytes } from "../../common/frames.js";
import type { GrpcWebOptions } from "../../options/client-options.js";
import type { TransportOptions } from "../call/options.js";
import { checkSize, guardedFetch } from "../fetch/guarded-fetch.js";
import { checkResponse } from "./response.js";

/** Sends a request of one frame, and checks everything in the response except its body. */
export async function post(
  { url, header, signal }: { url: string; header: Headers; signal: AbortSignal },
  body: Uint8Array<ArrayBuffer>,
  options: TransportOptions<GrpcWebOptions>,
): Promise<Response> {
  checkSize(body.subarray(prefixBytes), options);
  const response = await guardedFetch(options.fetch, { url, method: "POST", header, signal, body });
  await checkResponse(response, options.useBinaryFormat);
  return response;
}
