import { inspect } from "node:util";
import { Code, ConnectError } from "@connectrpc/connect";

/** What came of the calls of a run, by code; "ok" for those that went well. */
export type Tally = Record<string, number>;

export const count = (tally: Tally, ending: string): void => {
  tally[ending] = (tally[ending] ?? 0) + 1;
};

/** Counts how a call ended, and returns its error, if it failed: nothing but a ConnectError may come of it. */
export async function countEnding(
  tally: Tally,
  call: PromiseLike<unknown>,
): Promise<ConnectError | undefined> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof ConnectError)) {
      throw new Error(`not a ConnectError: ${inspect(error)}`, { cause: error });
    }
    count(tally, Code[error.code]);
    return error;
  }
  count(tally, "ok");
  return undefined;
}
