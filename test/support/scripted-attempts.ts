import { createClient, type Interceptor } from "@connectrpc/connect";
import { ManagementService } from "../../gen/zitadel/management_pb.js";
import {
  type Attempt,
  createUnary,
  type Send,
  type TransportOptions,
} from "../../src/transports/call/attempt.js";

/** A client whose attempts meet what the test says, in place of a network. */
export function createScriptedClient(
  respond: (attempt: Attempt) => Promise<object> | object,
  attempts: (send: Send) => Send,
  interceptors: Interceptor[] = [],
) {
  const options = {
    baseUrl: "http://localhost",
    interceptors,
    attempts,
    defaultTimeoutMs: undefined,
  } as unknown as TransportOptions<object>;
  const unary = createUnary(options, {
    target: ({ name }) => ({ url: `http://localhost/${name}`, requestMethod: "POST" }),
    async send(attempt) {
      const { method, call } = attempt;
      call.onSent();
      try {
        const message = (await respond(attempt)) as never;
        const [header, trailer] = [new Headers(), new Headers()];
        return { stream: false, service: method.parent, method, header, trailer, message };
      } catch (reason) {
        call.onFailed(reason);
        throw reason;
      }
    },
  });
  return createClient(ManagementService, { unary, stream: () => Promise.reject(new Error()) });
}
