import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import type { GrpcTransportOptions } from "@connectrpc/connect-node";
import type { Deadline } from "../call/deadline.js";
import type { StreamFn } from "../call/stream.js";
import { grpcTimeout } from "./timeout-header.js";

type LoadStreams = <I extends DescMessage, O extends DescMessage>(
  deadline: Deadline,
) => StreamFn<I, O>;

/**
 * Streaming methods are made by connect-node, over our connections and with our deadline. It is loaded
 * when the first of them is called: most programs have none.
 */
export function streamsByConnectNode(options: GrpcTransportOptions): LoadStreams {
  let loading: Promise<Transport> | undefined;
  return (deadline) => async (request) => {
    loading ??= import("@connectrpc/connect-node").then(({ createGrpcTransport }) =>
      createGrpcTransport(options),
    );
    const transport = await loading;
    const header = new Headers(request.header);
    const remainingMs = deadline.remainingMs();
    if (remainingMs !== undefined) {
      header.set("grpc-timeout", grpcTimeout(remainingMs));
    }
    const response = await transport
      .stream(
        request.method,
        deadline.signal,
        0, // No limit: the deadline's signal says when time is up.
        header,
        // The type asks for initializers, which messages are.
        request.message as AsyncIterable<MessageInitShape<typeof request.method.input>>,
        request.contextValues,
      )
      .catch((reason) => {
        throw asGrpc(reason, deadline);
      });
    return { ...response, message: translated(response.message, deadline) };
  };
}

async function* translated<T>(messages: AsyncIterable<T>, deadline: Deadline): AsyncGenerator<T> {
  try {
    yield* messages;
  } catch (reason) {
    throw asGrpc(reason, deadline);
  }
}

/** What gRPC calls otherwise than Connect. */
function asGrpc(reason: unknown, deadline: Deadline): unknown {
  if (!(reason instanceof ConnectError) || reason.isWireError) {
    return reason;
  }
  const { code, rawMessage, metadata } = reason;
  // The server's clock ran out first, and its reset came before our timer.
  if (code === Code.Canceled && deadline.remainingMs() === 0) {
    return deadline.exceeded();
  }
  // A broken answer is nothing that the caller did.
  if (code === Code.InvalidArgument && rawMessage.startsWith("protocol error: ")) {
    return new ConnectError(rawMessage, Code.Internal, metadata, undefined, reason);
  }
  return reason;
}
