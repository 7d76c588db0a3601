import type { TokenRequest } from "../../options/token-source.js";

interface Call {
  readonly signal: AbortSignal;
}

/**
 * The argument of a token source. Its signal is created on first access: most sources have a token ready, and
 * a signal is expensive.
 */
export class LazyTokenRequest implements TokenRequest {
  readonly refused: string | undefined;
  declare readonly signal: AbortSignal | undefined;
  readonly #call: Call;

  constructor(call: Call, refused: string | undefined) {
    this.refused = refused;
    this.#call = call;
    Object.defineProperty(this, "signal", LazyTokenRequest.#signal);
  }

  /** On each object, since sources may spread it, but shared: a getter in a literal is a function more. */
  static readonly #signal = {
    enumerable: true,
    configurable: true,
    get(this: LazyTokenRequest): AbortSignal | undefined {
      // A proxy of the object has no such field.
      return #call in this ? this.#call.signal : undefined;
    },
  };
}
