import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { UnaryResponse } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { decodeFrames } from "../../common/frames.js";
import type { Attempt } from "../call/attempt.js";
import type { Codec } from "../call/codec.js";
import { readStatus, unexpectedResponse } from "../call/status.js";
import { bodyChunks, bodyStart, connectionError, discard } from "../fetch/fetch.js";

/** Flags the trailers frame. */
const trailerFlag = 0x80;

/** Rejects a response that is not gRPC-web in the requested format. */
export async function checkResponse(
  response: Response,
  useBinaryFormat: boolean | undefined,
): Promise<void> {
  const { headers, status } = response;
  const contentType = headers.get("content-type") ?? "";
  const format = /^application\/grpc-web(?:\+(\w+))?(?:\s*;.*)?$/i.exec(contentType);
  const { error } = readStatus(headers);
  if (format === null || (!response.ok && error === undefined)) {
    const body = await bodyStart(response);
    throw unexpectedResponse({
      status,
      headers,
      body,
      expected: "gRPC-web",
      alternative: "; zitadel-user-grants/json passes most",
    });
  }
  if (!response.ok) {
    discard(response);
    throw error;
  }
  const subtype = useBinaryFormat === false ? "json" : "proto";
  if ((format[1]?.toLowerCase() ?? "proto") !== subtype && error === undefined) {
    discard(response);
    throw broken(`content type ${contentType}`, headers);
  }
}

/**
 * Reads the response to a unary call: one message, then one frame of trailers with the status
 * (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md). As over gRPC, a status in the headers counts if
 * no message follows, and no other status; an error there and an OK later contradict each other.
 */
export async function readUnary(
  response: Response,
  { method, url, call }: Attempt,
  codec: Codec,
  readMaxBytes: number,
): Promise<UnaryResponse> {
  const { headers: header } = response;
  let message: MessageShape<DescMessage> | undefined;
  let trailer: Headers | undefined;
  try {
    for await (const { flags, data } of decodeFrames(bodyChunks(response), readMaxBytes)) {
      if (trailer !== undefined) {
        throw broken("data after the trailers", header);
      } else if (flags === trailerFlag) {
        trailer = readTrailers(data, header);
      } else if (flags !== 0) {
        throw broken(`flags ${flags} before a message`, header);
      } else if (message !== undefined) {
        throw broken("a second message", header, Code.Unimplemented);
      } else {
        message = codec.decode(method.output, data);
      }
    }
  } catch (reason) {
    throw connectionError(reason, url, call.signal);
  }
  const inTrailer = readStatus(trailer ?? new Headers());
  const isInTrailer = inTrailer.found || message !== undefined;
  const inHeader = readStatus(header);
  const { found, error } = isInTrailer ? inTrailer : inHeader;
  if (error !== undefined) {
    if (isInTrailer) {
      header.forEach((value, name) => {
        error.metadata.append(name, value);
      });
    }
    throw error;
  }
  if (!found || inHeader.error !== undefined) {
    throw broken(found ? "an OK after an error in the headers" : "no status", header);
  }
  if (message === undefined) {
    throw broken("a status of 0, but no message", header, Code.Unimplemented);
  }
  const service = method.parent;
  return { stream: false, service, method, header, message, trailer: trailer ?? new Headers() };
}

/** Trailers are header fields, each terminated by CR LF. Spaces around a value are not part of it. */
function readTrailers(data: Uint8Array, headers: Headers): Headers {
  const trailer = new Headers();
  for (const line of new TextDecoder().decode(data).split("\r\n")) {
    const [, name = "", value = ""] = /^([^:]+):(.*)$/.exec(line) ?? [];
    try {
      if (line !== "") {
        // Rejects an invalid name, and a lone line break in a value.
        trailer.append(name, value.trim());
      }
    } catch {
      throw broken("malformed trailers", headers);
    }
  }
  return trailer;
}

function broken(what: string, headers: Headers, code: Code = Code.Internal): ConnectError {
  return new ConnectError(`the server broke the gRPC-web protocol: ${what}`, code, headers);
}
