import { setTimeout as wait } from "node:timers/promises";
import {
  create,
  type DescMessage,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import { type Any, anyUnpack } from "@bufbuild/protobuf/wkt";
import { type CallOptions, type Client, ConnectError, createClient } from "@connectrpc/connect";
import { createWritableIterable } from "@connectrpc/connect/protocol";
import { close } from "../../src/client/close.js";
import {
  type ClientCompatRequest,
  type ClientCompatResponse,
  type ClientResponseResult,
  ClientResponseResultSchema,
} from "./gen/connectrpc/conformance/v1/client_compat_pb.js";
import { StreamType } from "./gen/connectrpc/conformance/v1/config_pb.js";
import {
  type BidiStreamRequest,
  BidiStreamRequestSchema,
  ClientStreamRequestSchema,
  type ConformancePayload,
  ConformancePayloadSchema,
  ConformanceService,
  ErrorSchema,
  IdempotentUnaryRequestSchema,
  ServerStreamRequestSchema,
  UnaryRequestSchema,
  UnimplementedRequestSchema,
} from "./gen/connectrpc/conformance/v1/service_pb.js";
import { createTransport } from "./transport.js";

/** Makes the call, and tells what came of it as the suite wants to know it. */
export async function invoke(
  request: ClientCompatRequest,
): Promise<ClientCompatResponse["result"]> {
  try {
    const transport = createTransport(request);
    try {
      const call = new Call(request, createClient(ConformanceService, transport));
      return { case: "response", value: await call.run() };
    } finally {
      close(transport);
    }
  } catch (error) {
    return {
      case: "error",
      value: {
        $typeName: "connectrpc.conformance.v1.ClientErrorResult",
        message: error instanceof Error ? (error.stack ?? error.message) : String(error),
      },
    };
  }
}

class Call {
  readonly #request: ClientCompatRequest;
  readonly #client: Client<typeof ConformanceService>;
  readonly #result = create(ClientResponseResultSchema);
  readonly #controller = new AbortController();

  constructor(request: ClientCompatRequest, client: Client<typeof ConformanceService>) {
    this.#request = request;
    this.#client = client;
  }

  async run(): Promise<ClientResponseResult> {
    try {
      await this.#call();
    } catch (reason) {
      this.#fail(ConnectError.from(reason));
    }
    return this.#result;
  }

  #call(): Promise<void> {
    switch (this.#request.method) {
      case "Unary":
        return this.#unary(UnaryRequestSchema, this.#client.unary);
      case "IdempotentUnary":
        return this.#unary(IdempotentUnaryRequestSchema, this.#client.idempotentUnary);
      case "Unimplemented":
        return this.#unary(UnimplementedRequestSchema, this.#client.unimplemented);
      case "ServerStream":
        return this.#serverStream();
      case "ClientStream":
        return this.#clientStream();
      case "BidiStream":
        return this.#bidiStream();
      default:
        throw new Error(`unknown method ${this.#request.method}`);
    }
  }

  async #unary<I extends DescMessage>(
    schema: I,
    method: (request: MessageInitShape<I>, options: CallOptions) => Promise<object>,
  ): Promise<void> {
    const [message] = this.#messages(schema);
    await wait(this.#request.requestDelayMs);
    this.#cancelAfterCloseSend();
    // A message is one way to initialize a message; the type cannot know.
    this.#add(await method(message as MessageInitShape<I>, this.#options()));
  }

  async #serverStream(): Promise<void> {
    const [message] = this.#messages(ServerStreamRequestSchema);
    await wait(this.#request.requestDelayMs);
    const responses = this.#client.serverStream(message!, this.#options());
    this.#cancelAfterCloseSend();
    for await (const response of responses) {
      this.#add(response);
    }
  }

  async #clientStream(): Promise<void> {
    const { requestDelayMs } = this.#request;
    const messages = this.#messages(ClientStreamRequestSchema);
    const send = async function* (this: Call) {
      for (const message of messages) {
        await wait(requestDelayMs);
        yield message;
      }
      this.#cancelBeforeCloseSend();
      this.#cancelAfterCloseSend();
    };
    this.#add(await this.#client.clientStream(send.call(this), this.#options()));
  }

  async #bidiStream(): Promise<void> {
    const { requestDelayMs, streamType } = this.#request;
    const requests = createWritableIterable<BidiStreamRequest>();
    const responses = this.#client.bidiStream(requests, this.#options())[Symbol.asyncIterator]();
    const read = async () => {
      const { done, value } = await responses.next();
      if (done !== true) {
        this.#add(value);
      }
      return done !== true;
    };
    for (const message of this.#messages(BidiStreamRequestSchema)) {
      await wait(requestDelayMs);
      await requests.write(message);
      if (streamType === StreamType.FULL_DUPLEX_BIDI_STREAM) {
        await read();
      }
    }
    this.#cancelBeforeCloseSend();
    requests.close();
    this.#cancelAfterCloseSend();
    while (await read()) {
      // Until there are no more.
    }
  }

  #messages<D extends DescMessage>(schema: D): MessageShape<D>[] {
    return this.#request.requestMessages.map((any: Any) => {
      const message = anyUnpack(any, schema);
      if (message === undefined) {
        throw new Error(`expected a ${schema.typeName}, got ${any.typeUrl}`);
      }
      return message;
    });
  }

  #options(): CallOptions {
    const headers = new Headers();
    for (const { name, value } of this.#request.requestHeaders) {
      for (const one of value) {
        headers.append(name, one);
      }
    }
    return {
      headers,
      signal: this.#controller.signal,
      onHeader: (received) => {
        this.#result.responseHeaders = fields(received);
      },
      onTrailer: (received) => {
        this.#result.responseTrailers = fields(received);
      },
    };
  }

  #add(response: { payload?: ConformancePayload | undefined }): void {
    this.#result.payloads.push(response.payload ?? create(ConformancePayloadSchema));
    const timing = this.#request.cancel?.cancelTiming;
    if (timing?.case === "afterNumResponses" && timing.value === this.#result.payloads.length) {
      this.#controller.abort();
    }
  }

  #cancelBeforeCloseSend(): void {
    if (this.#request.cancel?.cancelTiming.case === "beforeCloseSend") {
      this.#controller.abort();
    }
  }

  #cancelAfterCloseSend(): void {
    const { cancel } = this.#request;
    const timing = cancel?.cancelTiming;
    if (timing?.case === "afterCloseSendMs") {
      setTimeout(() => this.#controller.abort(), timing.value);
    } else if (cancel !== undefined && timing?.case === undefined) {
      this.#controller.abort();
    }
  }

  #fail(error: ConnectError): void {
    this.#result.error = create(ErrorSchema, {
      code: error.code as number,
      message: error.rawMessage,
      details: error.details.map((detail) => {
        if ("desc" in detail) {
          throw new Error("details that came from a server are not typed");
        }
        return { typeUrl: `type.googleapis.com/${detail.type}`, value: detail.value };
      }),
    });
    // What an error has may have come as headers or as trailers.
    const metadata = fields(error.metadata);
    if (this.#result.responseHeaders.length === 0) {
      this.#result.responseHeaders = metadata;
    }
    this.#result.responseTrailers = metadata;
  }
}

function fields(headers: Headers): ClientResponseResult["responseHeaders"] {
  return Array.from(headers, ([name, value]) => ({
    $typeName: "connectrpc.conformance.v1.Header",
    name,
    value: [value],
  }));
}
