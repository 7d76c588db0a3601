import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { classify, retryAfterMs } from "../../src/bulk/classify.js";
import { serverError } from "./model-server.js";

describe("what an error means for a bulk run", () => {
  it.each<[ConnectError, string, boolean?]>([
    [serverError(Code.NotFound, "COMMAND-1My0t"), "not-found"],
    [serverError(Code.NotFound, "COMMAND-3M9sd"), "fatal"],
    [serverError(Code.NotFound, "AUTHZ-cdgFk"), "fatal"],
    [new ConnectError("unable to set instance", Code.NotFound), "fatal"],
    [serverError(Code.PermissionDenied, "EVENT-Shu7e"), "rejected"],
    [serverError(Code.PermissionDenied, "AUTH-5mWD2"), "fatal"],
    [new ConnectError("blocked by a proxy", Code.PermissionDenied), "fatal"],
    [
      new ConnectError(
        "got HTTP 403 with text/html where JSON was expected",
        Code.PermissionDenied,
      ),
      "fatal",
      true,
    ],
    [new ConnectError("no such method", Code.Unimplemented), "fatal"],
    [
      new ConnectError(
        "the server broke the gRPC-web protocol: a second message",
        Code.Unimplemented,
      ),
      "fatal",
      true,
    ],
    [serverError(Code.FailedPrecondition, "COMMAND-1S9gx"), "inactive"],
    [serverError(Code.FailedPrecondition, "OTHER-12345"), "rejected"],
    [serverError(Code.InvalidArgument, "COMMAND-J9sc5"), "rejected"],
    [
      new ConnectError("grpc: received message larger than max", Code.ResourceExhausted),
      "too-large",
    ],
    [
      new ConnectError(
        "message size 5 is larger than configured readMaxBytes 1",
        Code.ResourceExhausted,
      ),
      "lost",
      true,
    ],
    [new ConnectError("quota", Code.ResourceExhausted), "throttled"],
    [
      new ConnectError("the stream was reset with ENHANCE_YOUR_CALM", Code.ResourceExhausted),
      "throttled",
      true,
    ],
    [new ConnectError("HTTP 503", Code.Unavailable), "throttled", true],
    [new ConnectError("late", Code.DeadlineExceeded), "throttled", true],
    [new ConnectError("reset", Code.Canceled), "lost", true],
    [new ConnectError("HTTP 400", Code.Internal), "lost", true],
    [new ConnectError("?", Code.Unknown), "lost", true],
    [serverError(Code.InvalidArgument, "COMMAND-5M0sd"), "fatal"],
  ])("%s", (error, kind, maybeApplied = false) => {
    expect(classify(error, "COMMAND-1My0t")).toEqual({ kind, maybeApplied });
  });
});

describe("an error that the server's own deadline caused", () => {
  it.each<[string, ConnectError, boolean]>([
    [
      "an instance that was not looked up in time",
      new ConnectError(
        "unable to set instance using origin http://localhost: ID=QUERY-d3fas Message=Errors.Internal Parent=(context deadline exceeded)",
        Code.NotFound,
      ),
      false,
    ],
    [
      "an organization that was not looked up in time",
      serverError(Code.PermissionDenied, "AUTH-Bs7Ds"),
      true,
    ],
  ])("ends no run: %s", (_, error, isLate) => {
    expect(classify(error, "COMMAND-1My0t", isLate)).toEqual({
      kind: "throttled",
      maybeApplied: true,
    });
  });
});

describe("how long the server asks to wait", () => {
  const asked = (metadata: HeadersInit) =>
    retryAfterMs(
      new ConnectError("", Code.Unavailable, metadata),
      Date.parse("2026-01-01T00:00:00Z"),
    );
  it.each([
    [{ "retry-after": "3" }, 3000],
    [{ "retry-after": "Thu, 01 Jan 2026 00:00:05 GMT" }, 5000],
    [{ "retry-after": "Wed, 31 Dec 2025 00:00:00 GMT" }, 0],
    [{ "retry-after": "soon" }, undefined],
    [{ "grpc-retry-pushback-ms": "250", "retry-after": "3" }, 250],
    [{ "grpc-retry-pushback-ms": "-1" }, undefined],
    [{}, undefined],
  ])("%o", (metadata, ms) => {
    expect(asked(metadata as HeadersInit)).toBe(ms);
  });
});
