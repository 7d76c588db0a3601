import type { DescMessage, DescMethodUnary, DescService, MessageShape } from "@bufbuild/protobuf";
import type { UnaryResponse } from "@connectrpc/connect";
import type { UnaryGrpcResponse } from "./unary-response.js";

const received = Symbol("received");

/** A response whose headers and trailers are created on first access. */
export class LazyResponse<I extends DescMessage, O extends DescMessage>
  implements UnaryResponse<I, O>
{
  readonly stream = false;
  readonly service: DescService;
  readonly method: DescMethodUnary<I, O>;
  readonly message: MessageShape<O>;
  readonly [received]: UnaryGrpcResponse;

  /** @param isCopied whether it may reach interceptors that copy it by spreading. */
  constructor(
    method: DescMethodUnary<I, O>,
    message: MessageShape<O>,
    response: UnaryGrpcResponse,
    isCopied: boolean,
  ) {
    this.service = method.parent;
    this.method = method;
    this.message = message;
    this[received] = response;
    if (isCopied) {
      Object.defineProperties(this, ownAccessors);
    }
  }

  get header(): Headers {
    return this[received].header;
  }

  get trailer(): Headers {
    return this[received].trailer;
  }
}

/** Spreading does not copy accessors of a prototype; on the object itself they cost more. */
const ownAccessors = Object.fromEntries(
  (["header", "trailer"] as const).map((name) => [
    name,
    { ...Object.getOwnPropertyDescriptor(LazyResponse.prototype, name), enumerable: true },
  ]),
);
