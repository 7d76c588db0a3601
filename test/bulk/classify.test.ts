import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { classify, retryAfterMs } from "../../src/bulk/requests.js";
import { notApplied, serverError } from "./model-server.js";

/** An error without a detail of ZITADEL. */
const plain = (code: Code) => new ConnectError("anything at all", code);

describe("what an error means for a bulk run is decided by its code, ZITADEL's id and the fact of the call", () => {
  it.each<[string, ConnectError]>([
    ["not-found", serverError(Code.NotFound, "COMMAND-1My0t")],
    ["fatal", serverError(Code.NotFound, "COMMAND-3M9sd")],
    ["fatal", serverError(Code.NotFound, "AUTHZ-cdgFk")],
    ["fatal", plain(Code.NotFound)],
    ["rejected", serverError(Code.PermissionDenied, "EVENT-Shu7e")],
    ["fatal", serverError(Code.PermissionDenied, "AUTH-5mWD2")],
    ["fatal", plain(Code.PermissionDenied)],
    ["fatal", plain(Code.Unimplemented)],
    ["inactive", serverError(Code.FailedPrecondition, "COMMAND-1S9gx")],
    ["rejected", serverError(Code.FailedPrecondition, "OTHER-12345")],
    ["rejected", serverError(Code.InvalidArgument, "COMMAND-J9sc5")],
    ["rejected", notApplied(plain(Code.InvalidArgument))],
    ["fatal", serverError(Code.InvalidArgument, "COMMAND-5M0sd")],
    ["throttled", plain(Code.ResourceExhausted)],
    ["throttled", plain(Code.Unavailable)],
    ["throttled", notApplied(plain(Code.Unavailable), false)],
    ["throttled", plain(Code.DeadlineExceeded)],
    ["lost", plain(Code.Canceled)],
    ["lost", plain(Code.Internal)],
    ["lost", plain(Code.InvalidArgument)],
    // A closed client, a redirect, a failing interceptor, a proxy setting that cannot be used.
    ["fatal", notApplied(plain(Code.Canceled), false)],
    ["fatal", notApplied(plain(Code.Unknown))],
    ["fatal", notApplied(plain(Code.Internal), false)],
    ["fatal", notApplied(plain(Code.InvalidArgument), false)],
    ["fatal", notApplied(plain(Code.FailedPrecondition), false)],
  ])("%s: %s", (kind, error) => {
    expect(classify(error, "COMMAND-1My0t")).toBe(kind);
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
