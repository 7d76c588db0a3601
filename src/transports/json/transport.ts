import type { DescMessage, DescMethodUnary, MessageShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import type { Transport, UnaryRequest } from "@connectrpc/connect";
import type { JsonOptions } from "../../options/client-options.js";
import type { ClosableTransport, TransportOptions } from "../call/options.js";
import { callHeaders } from "../call/request-headers.js";
import { callUnary, effectiveTimeoutMs, type Send, untilExpiry } from "../call/unary-call.js";
import { checkSize, guardedFetch } from "../fetch/guarded-fetch.js";
import { pathPrefix } from "./http-rule/bindings.js";
import type { JsonParts } from "./http-rule/json-parts.js";
import { buildRequest, uncarried } from "./http-rule/request.js";
import { readResponse } from "./response.js";

/**
 * A Connect transport over plain HTTP and JSON, for unary methods with a `google.api.http` annotation:
 * what grpc-gateway serves (https://google.aip.dev/127,
 * https://github.com/googleapis/googleapis/blob/master/google/api/http.proto).
 *
 * The deadline is enforced here and not sent.
 */
export function createJsonTransport(
  options: TransportOptions<JsonOptions>,
  parts: JsonParts,
): ClosableTransport {
  const { baseUrl, interceptors, jsonOptions } = options;

  const send = async <I extends DescMessage, O extends DescMessage>(
    request: UnaryRequest<I, O>,
    firstUrl: string,
  ) => {
    const { method, service, header, signal } = request;
    // Rebuilt: an interceptor may have changed the message. If it changed the URL, that URL is used.
    const built = build(request.message, method);
    const body = built.body ? new TextEncoder().encode(built.body) : undefined;
    checkSize(body, options);
    const url = request.url === firstUrl ? built.url : request.url;
    header.set("accept", "application/json");
    header.delete("content-type");
    if (body) {
      header.set("content-type", "application/json");
    }
    const response = await guardedFetch(options.fetch, {
      url,
      method: built.verb,
      header,
      signal,
      body,
    });
    return {
      stream: false as const,
      service,
      method,
      header: response.headers,
      message: await readResponse(response, built.binding, request, options, parts.fromJson),
      trailer: new Headers(),
    };
  };
  const build = <I extends DescMessage>(message: MessageShape<I>, method: DescMethodUnary<I>) => {
    const request = buildRequest(method, message, jsonOptions, parts);
    const url = baseUrl + pathPrefix(method.parent, options.pathPrefixes) + request.target;
    return { ...request, url };
  };

  const sendUnary: Send = (request, deadline, { url }) =>
    untilExpiry(deadline, () => deadline.counted(request.contextValues, () => send(request, url)));

  const transport: Transport = {
    async unary(method, signal, timeoutMs, header, input, contextValues) {
      const message = create(method.input, input);
      const { url, verb } = build(message, method);
      return await callUnary(
        {
          method,
          url,
          requestMethod: verb,
          signal,
          timeoutMs: effectiveTimeoutMs(timeoutMs, options.defaultTimeoutMs),
          header: callHeaders(header),
          message,
          contextValues,
        },
        interceptors,
        sendUnary,
      );
    },

    async stream(method) {
      throw uncarried(method, `is ${method.methodKind}`);
    },
  };
  return { transport };
}
