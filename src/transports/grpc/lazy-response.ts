import type { DescMessage, DescMethodUnary, DescService, MessageShape } from "@bufbuild/protobuf";
import type { UnaryResponse } from "@connectrpc/connect";
import { webHeaders } from "./headers.js";
import type { UnaryGrpcResponse } from "./unary-response.js";

const received = Symbol("received");

interface Received {
  readonly response: UnaryGrpcResponse;
  header: Headers | undefined;
  trailer: Headers | undefined;
}

/** A response whose headers and trailers are made when somebody reads them. */
export class LazyResponse<I extends DescMessage, O extends DescMessage>
  implements UnaryResponse<I, O>
{
  readonly stream = false;
  readonly service: DescService;
  readonly method: DescMethodUnary<I, O>;
  readonly message: MessageShape<O>;
  readonly [received]: Received;

  /** @param isCopied whether interceptors may see it that copy it by spreading. */
  constructor(
    method: DescMethodUnary<I, O>,
    message: MessageShape<O>,
    response: UnaryGrpcResponse,
    isCopied: boolean,
  ) {
    this.service = method.parent;
    this.method = method;
    this.message = message;
    this[received] = { response, header: undefined, trailer: undefined };
    if (isCopied) {
      Object.defineProperties(this, ownAccessors);
    }
  }

  get header(): Headers {
    const state = this[received];
    state.header ??= webHeaders(state.response.header);
    return state.header;
  }

  get trailer(): Headers {
    const state = this[received];
    state.trailer ??= webHeaders(state.response.trailer);
    return state.trailer;
  }
}

/** Copies by spreading leave out the accessors of a prototype; on the object itself they cost more. */
const ownAccessors = Object.fromEntries(
  (["header", "trailer"] as const).map((name) => [
    name,
    { ...Object.getOwnPropertyDescriptor(LazyResponse.prototype, name), enumerable: true },
  ]),
);
