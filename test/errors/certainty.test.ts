import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { ErrorDetailSchema } from "../../src/client/common-exports.js";
import { mayHaveBeenApplied, wasSent, withOutcome } from "../../src/errors/certainty.js";

const open = { mayHaveBeenApplied: true, sent: true };
const rejected = { mayHaveBeenApplied: false, sent: true };

describe("an error without a mark", () => {
  const zitadel = (code: Code) => {
    const error = new ConnectError("User grant not found", code);
    error.details = [
      { desc: ErrorDetailSchema, value: { id: "COMMAND-3M9sd", message: "User grant not found" } },
    ];
    return error;
  };

  it("is decided by one of ZITADEL's ids with a code that decides, and by nothing else", () => {
    expect(mayHaveBeenApplied(zitadel(Code.NotFound))).toBe(false);
    for (const other of [
      zitadel(Code.Internal),
      zitadel(Code.Unavailable),
      new ConnectError("gone", Code.NotFound),
      new Error("x", { cause: zitadel(Code.NotFound) }),
      "text",
      undefined,
      new Proxy({}, { get: () => expect.unreachable() }),
    ]) {
      expect(mayHaveBeenApplied(other)).toBe(true);
    }
  });
});

describe("an error of a call", () => {
  it("keeps its mark as a cause, and the outermost mark counts", () => {
    const inner = withOutcome(new ConnectError("x", Code.Unauthenticated), rejected);
    const outer = new ConnectError(
      "y",
      Code.Unknown,
      undefined,
      undefined,
      new Error("z", { cause: inner }),
    );
    expect(mayHaveBeenApplied(outer)).toBe(false);
    expect(wasSent(outer)).toBe(true);
    expect(mayHaveBeenApplied(withOutcome(outer, open))).toBe(true);
    expect(mayHaveBeenApplied(inner)).toBe(false);
  });

  it("says nothing about a call that was aborted because of it", () => {
    const other = withOutcome(new ConnectError("x", Code.NotFound), rejected);
    const reason = new Error("giving up", { cause: other });
    const aborted = new ConnectError("aborted", Code.Canceled, undefined, undefined, reason);
    expect(mayHaveBeenApplied(aborted)).toBe(true);
    expect(wasSent(aborted)).toBeUndefined();
  });

  it("keeps its doubt for those who hold it when its call knows more", () => {
    const call = {};
    const error = withOutcome(new ConnectError("x", Code.Unavailable), open, call);
    const last = withOutcome(error, rejected, call);
    expect([mayHaveBeenApplied(error), mayHaveBeenApplied(last)]).toEqual([true, false]);
    expect(withOutcome(last, open, call)).toBe(last);
    expect(mayHaveBeenApplied(last)).toBe(true);
  });

  it("is found by another copy of the package", () => {
    const error = withOutcome(new ConnectError("x", Code.Unavailable), rejected);
    expect(Reflect.get(error, Symbol.for("zitadel-user-grants.mayHaveBeenApplied"))).toBe(false);
  });

  it("is wrapped where it is shared with a call of another outcome, or frozen", () => {
    const shared = Object.assign(new ConnectError("no token", Code.Unauthenticated), {
      oauthError: "invalid_grant",
    });
    const first = withOutcome(shared, rejected);
    const second = withOutcome(shared, open);
    expect(first).toBe(shared);
    expect(second).not.toBe(shared);
    expect(second).toMatchObject({
      rawMessage: "no token",
      code: Code.Unauthenticated,
      cause: shared,
      oauthError: "invalid_grant",
    });
    expect([mayHaveBeenApplied(first), mayHaveBeenApplied(second)]).toEqual([false, true]);
    const frozen = Object.freeze(new ConnectError("x", Code.Canceled));
    expect(mayHaveBeenApplied(withOutcome(frozen, rejected))).toBe(false);
  });
});
