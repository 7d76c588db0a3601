import type { DescMessage, DescMethodUnary, DescService, MessageShape } from "@bufbuild/protobuf";
import type { ContextValues, UnaryRequest, UnaryResponse } from "@connectrpc/connect";
import { createContextValues } from "@connectrpc/connect";
import type { Deadline } from "../call/deadline.js";
import type { UnaryCall } from "../call/unary-call.js";
import { webHeaders } from "./headers.js";
import type { UnaryAnswer } from "./unary-exchange.js";

// Requests and responses that no interceptor sees: nobody copies them by spreading, so that getters may
// be on the prototype, and headers and signals are made only for those who look at them.

export class UnseenRequest<I extends DescMessage, O extends DescMessage>
  implements UnaryRequest<I, O>
{
  readonly stream = false;
  readonly message: MessageShape<I>;
  readonly #call: UnaryCall<I, O>;
  readonly #deadline: Deadline;

  constructor(call: UnaryCall<I, O>, message: MessageShape<I>, deadline: Deadline) {
    this.message = message;
    this.#call = call;
    this.#deadline = deadline;
  }

  get method(): DescMethodUnary<I, O> {
    return this.#call.method;
  }

  get service(): DescService {
    return this.#call.method.parent;
  }

  get url(): string {
    return this.#call.url;
  }

  get requestMethod(): string {
    return this.#call.requestMethod;
  }

  get header(): Headers {
    return this.#call.header;
  }

  get contextValues(): ContextValues {
    return this.#call.contextValues ?? createContextValues();
  }

  get signal(): AbortSignal {
    return this.#deadline.signal;
  }
}

export class UnseenResponse<I extends DescMessage, O extends DescMessage>
  implements UnaryResponse<I, O>
{
  readonly stream = false;
  readonly method: DescMethodUnary<I, O>;
  readonly message: MessageShape<O>;
  readonly #answer: UnaryAnswer;
  #header: Headers | undefined;
  #trailer: Headers | undefined;

  constructor(method: DescMethodUnary<I, O>, message: MessageShape<O>, answer: UnaryAnswer) {
    this.method = method;
    this.message = message;
    this.#answer = answer;
  }

  get service(): DescService {
    return this.method.parent;
  }

  get header(): Headers {
    this.#header ??= webHeaders(this.#answer.header);
    return this.#header;
  }

  get trailer(): Headers {
    this.#trailer ??= webHeaders(this.#answer.trailer);
    return this.#trailer;
  }
}
