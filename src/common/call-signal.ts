/** What code that a call waits for may ask of the call. */
export interface WaitingCall {
  /** Milliseconds left, at least 0; undefined when there is no limit. */
  remainingMs(): number | undefined;
  /** Sets what the call waits for, in words: its error shows it if the call settles meanwhile. */
  explain(obstacle: () => string | undefined): void;
}

const calls = new WeakMap<AbortSignal, WaitingCall>();

/** Records whose signal it is. */
export function registerSignal(signal: AbortSignal, call: WaitingCall): void {
  calls.set(signal, call);
}

/** The call that has this signal; undefined for a signal of other code. */
export function callOf(signal: AbortSignal): WaitingCall | undefined {
  return calls.get(signal);
}
