import type { DescMessage, DescMethodUnary, MessageShape } from "@bufbuild/protobuf";
import { neverSent } from "../../errors/certainty.js";
import type { JsonOptions } from "../../options/options.js";
import { type ClosableTransport, createUnary, type TransportOptions } from "../call/attempt.js";
import { checkSize } from "../call/codec.js";
import { type FetchParts, sendOverFetch } from "../fetch/fetch.js";
import { buildRequest, type JsonParts, uncarried } from "./request.js";
import { readResponse } from "./response.js";
import { pathPrefix } from "./template.js";

/**
 * A Connect transport over plain HTTP and JSON, for unary methods with a `google.api.http` annotation:
 * what grpc-gateway serves (https://google.aip.dev/127,
 * https://github.com/googleapis/googleapis/blob/master/google/api/http.proto).
 *
 * The deadline is enforced here and not sent.
 */
export function createJsonTransport(
  options: TransportOptions<JsonOptions> & FetchParts,
  parts: JsonParts,
): ClosableTransport {
  const { baseUrl, jsonOptions } = options;
  const build = (method: DescMethodUnary, message: MessageShape<DescMessage>) => {
    const request = buildRequest(method, message, jsonOptions, parts);
    const url = baseUrl + pathPrefix(method.parent, options.pathPrefixes) + request.target;
    return { ...request, url };
  };

  const unary = createUnary(options, {
    target(method, message) {
      const { url, verb } = build(method, message);
      return { url, requestMethod: verb };
    },
    async send(attempt) {
      const { method, url, fields, message } = attempt;
      const built = build(method, message);
      const body = built.body ? new TextEncoder().encode(built.body) : undefined;
      const header = new Headers(fields);
      header.set("accept", "application/json");
      header.delete("content-type");
      if (body) {
        checkSize(body, options);
        header.set("content-type", "application/json");
      }
      const request = { url, method: built.verb, header, body };
      return await sendOverFetch(attempt, options, request, async (response) => ({
        stream: false,
        service: method.parent,
        method,
        header: response.headers,
        message: await readResponse(response, built.binding, attempt, options, parts),
        trailer: new Headers(),
      }));
    },
  });

  return {
    transport: {
      unary,
      async stream(method) {
        throw neverSent(uncarried(method, `is ${method.methodKind}`));
      },
    },
  };
}
