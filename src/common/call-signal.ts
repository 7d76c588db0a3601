/** What code that a call waits for may ask of the call. */
export interface WaitingCall {
  /** Milliseconds left, at least 0; undefined when there is no limit. */
  remainingMs(): number | undefined;
  /** Sets what the call waits for, in words: its error shows it if the call settles meanwhile. */
  explain(obstacle: () => string | undefined): void;
}

/** A property, since an entry in a WeakMap costs every call more than its signal. */
const call = Symbol("call");

type OwnSignal = AbortSignal & { [call]?: WaitingCall };

/** Records whose signal it is. */
export function registerSignal(signal: OwnSignal, itsCall: WaitingCall): void {
  signal[call] = itsCall;
}

/** The call that has this signal; undefined for a signal of other code. */
export function callOf(signal: OwnSignal): WaitingCall | undefined {
  return signal[call];
}
