import type { DescMessage, DescMethod, MessageShape } from "@bufbuild/protobuf";
import type { UnaryRequest, UnaryResponse } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { trailerFlag, trailerParse } from "@connectrpc/connect/protocol-grpc-web";
import { decodeFrames } from "../../common/frames.js";
import type { Codec } from "../call/codec.js";
import { readStatus } from "../call/status.js";
import { unexpectedAnswer } from "../call/unexpected-response.js";
import { bodyChunks, bodyStart, discard } from "../fetch/body.js";
import { connectionError } from "../fetch/guarded-fetch.js";

interface Call<O extends DescMessage> {
  method: DescMethod & { output: O };
  url: string;
  signal: AbortSignal;
}

/** Refuses an answer that is not gRPC-web in the format asked for. */
export async function checkAnswer(
  response: Response,
  subtype: Codec["subtype"],
  authorization: string | null,
): Promise<void> {
  const { headers, status } = response;
  const contentType = headers.get("content-type") ?? "";
  const format = /^application\/grpc-web(?:\+(\w+))?(?:\s*;.*)?$/i.exec(contentType);
  const { error } = readStatus(headers);
  if (format === null || (!response.ok && error === undefined)) {
    const body = await bodyStart(response);
    throw unexpectedAnswer({
      status,
      headers,
      body,
      expected: "gRPC-web",
      alternative: "; zitadel-user-grants/json passes most",
      authorization,
    });
  }
  if (!response.ok) {
    discard(response);
    throw error;
  }
  if ((format[1]?.toLowerCase() ?? "proto") !== subtype && error === undefined) {
    discard(response);
    throw broken(`an answer as ${contentType}`, headers);
  }
}

/** Reads the answer of a unary call: one message, then the trailers, or an error. */
export async function readUnary<I extends DescMessage, O extends DescMessage>(
  response: Response,
  request: UnaryRequest<I, O>,
  codec: Codec,
  readMaxBytes: number,
): Promise<UnaryResponse<I, O>> {
  const trailer = new Headers();
  let message: MessageShape<O> | undefined;
  for await (const next of readMessages(response, request, codec, readMaxBytes, trailer)) {
    if (message !== undefined) {
      throw broken("a second message", response.headers, Code.Unimplemented);
    }
    message = next;
  }
  if (message === undefined) {
    throw broken("a status of 0 without a message", response.headers, Code.Unimplemented);
  }
  const { service, method } = request;
  return { stream: false, service, method, header: response.headers, message, trailer };
}

/**
 * Reads messages, then one frame of trailers with the status
 * (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md). An error may come in the headers
 * alone, and when a proxy adds an empty frame of trailers to it, the headers still tell.
 *
 * @param trailer is filled when the messages have ended.
 */
export async function* readMessages<O extends DescMessage>(
  response: Response,
  call: Call<O>,
  codec: Codec,
  readMaxBytes: number,
  trailer: Headers,
): AsyncGenerator<MessageShape<O>> {
  const { headers } = response;
  let trailersOnly = true;
  let ended = false;
  try {
    for await (const { flags, data } of decodeFrames(bodyChunks(response), readMaxBytes)) {
      trailersOnly = false;
      if (ended) {
        throw broken("data after the trailers", headers);
      } else if (flags === trailerFlag) {
        ended = true;
        readTrailers(data, trailer, headers);
      } else if (flags !== 0) {
        throw broken(`flags ${flags} on a message: no compression was asked for`, headers);
      } else {
        yield codec.decode(call.method.output, data);
      }
    }
  } catch (reason) {
    throw connectionError(reason, call.url, call.signal);
  }
  const inTrailer = readStatus(trailer);
  if (inTrailer.error !== undefined) {
    headers.forEach((value, name) => {
      inTrailer.error?.metadata.append(name, value);
    });
    throw inTrailer.error;
  }
  const inHeaders = readStatus(headers);
  if (inHeaders.error !== undefined) {
    throw inHeaders.error;
  }
  if (!inTrailer.found && !(trailersOnly && inHeaders.found)) {
    throw broken("the answer ends without a status", headers);
  }
}

function readTrailers(data: Uint8Array, trailer: Headers, headers: Headers): void {
  try {
    // Spaces around a value are none of it, and a line break would pass for one.
    if (/(^|[^\r])\n|\r(?!\n)/.test(new TextDecoder().decode(data))) {
      throw new TypeError("a line break in a value");
    }
    trailerParse(data).forEach((value, name) => {
      trailer.append(name, value);
    });
  } catch {
    throw broken("trailers that are none", headers);
  }
}

function broken(what: string, headers: Headers, code: Code = Code.Internal): ConnectError {
  return new ConnectError(
    `the server broke the gRPC-web protocol: ${what}. Whether the call was carried out is not known`,
    code,
    headers,
  );
}
