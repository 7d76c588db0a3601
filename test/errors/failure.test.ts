import { describe, expect, it } from "vitest";
import {
  certificate,
  describeFailure,
  hasCode,
  isNetworkFailure,
  isPermanent,
  nothingSent,
  plainCause,
} from "../../src/errors/failure.js";
import { explainFailure } from "../../src/transports/grpc/failure.js";

const failed = (fields: object, message = "m") => Object.assign(new Error(message), fields);
const fetchFailed = (cause: unknown) => new TypeError("fetch failed", { cause });
const eproto = (reason: string) =>
  failed(
    { code: "EPROTO", syscall: "write" },
    `write EPROTO 00:error:0A00010B:SSL routines:ssl3_read_bytes:${reason}:../ssl/x.c:1601:`,
  );

/** What is known of each: that nothing was sent, and that no retry mends it. */
const known: [name: string, error: unknown, nothingSent: boolean, permanent: boolean][] = [
  ["a refused connection", failed({ code: "ECONNREFUSED", syscall: "connect" }), true, false],
  ["no route", failed({ code: "EHOSTUNREACH", syscall: "connect" }), true, false],
  ["a time limit of undici", failed({ code: "UND_ERR_CONNECT_TIMEOUT" }), true, false],
  ["a resolver that is away", failed({ code: "EAI_AGAIN", syscall: "getaddrinfo" }), true, false],
  ["an unknown host", failed({ code: "ENOTFOUND", syscall: "getaddrinfo" }), true, true],
  ["a refused connection of Bun", failed({ code: "ConnectionRefused" }), true, false],
  ["an expired certificate", failed({ code: "CERT_HAS_EXPIRED" }), true, true],
  ["an unknown authority", failed({ code: "SELF_SIGNED_CERT_IN_CHAIN" }), true, true],
  ["another name", failed({ code: "ERR_TLS_CERT_ALTNAME_INVALID" }), true, true],
  ["a port without TLS", failed({ code: "ERR_SSL_WRONG_VERSION_NUMBER" }), true, true],
  ["no cipher", failed({ code: "ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE" }), true, true],
  [
    "no cipher, by OpenSSL 3.2",
    failed({ code: "ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE" }),
    true,
    true,
  ],
  [
    "no client certificate",
    failed({ code: "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED" }),
    true,
    true,
  ],
  ["a handshake during a write", eproto("wrong version number"), true, true],
  ["a proxy that refuses", failed({ code: "ERR_PROXY_REFUSED" }), true, false],
  [
    "each address of a name",
    new AggregateError([
      failed({ code: "ECONNREFUSED", syscall: "connect" }),
      failed({ code: "ENETUNREACH", syscall: "connect" }),
    ]),
    true,
    false,
  ],
  [
    "one address that was connected to",
    new AggregateError([failed({ code: "ECONNREFUSED", syscall: "connect" }), failed({})]),
    false,
    false,
  ],
  ["a reset", failed({ code: "ECONNRESET", syscall: "read" }), false, false],
  [
    "a refusal of a connection that was read",
    failed({ code: "ECONNREFUSED", syscall: "read" }),
    false,
    false,
  ],
  [
    "a broken record in the middle of a session",
    eproto("decryption failed or bad record mac"),
    false,
    false,
  ],
  [
    "an internal error of the other side",
    failed({ code: "ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR" }),
    false,
    false,
  ],
  ["a closed connection of undici", failed({ code: "UND_ERR_SOCKET" }), false, false],
  ["a TypeError of a browser", new TypeError("Failed to fetch"), false, false],
  ["an error without a code", new Error("connect"), false, false],
  ["no error", undefined, false, false],
];

describe("the table of platform errors", () => {
  it.each(known)("%s", (_, error, isUnsent, permanent) => {
    for (const one of [error, fetchFailed(error)]) {
      expect([nothingSent(one), isPermanent(one)]).toEqual([isUnsent, permanent]);
    }
    expect(isPermanent(plainCause(fetchFailed(error), (text) => text))).toBe(permanent);
  });

  it("ends with an error that is its own cause", () => {
    const error = failed({});
    Object.assign(error, { cause: error, errors: [error, error, error] });
    expect(nothingSent(error)).toBe(false);
    expect(plainCause(error, (text) => text)).toBeInstanceOf(Error);
    expect(describeFailure(error)).toBe("m");
  });

  it("tells failures of certificates, and failures of the network from mistakes in a program", () => {
    expect(hasCode(fetchFailed(failed({ code: "CERT_REVOKED" })), certificate)).toBe(true);
    expect(hasCode(fetchFailed(failed({ code: "ECONNRESET" })), certificate)).toBe(false);
    for (const message of ["Failed to fetch", "Load failed", "Network request failed"]) {
      expect(isNetworkFailure(new TypeError(message))).toBe(true);
    }
    expect(isNetworkFailure(fetchFailed(failed({})))).toBe(true);
    expect(isNetworkFailure(new TypeError("x is not a function"))).toBe(false);
  });

  it("describes a failure in one line, with what to do, and without the query of an address", () => {
    expect(explainFailure(fetchFailed(eproto("tlsv13 alert certificate required")))).toBe(
      "tlsv13 alert certificate required. The server may ask for a client certificate: set nodeOptions.cert and nodeOptions.key",
    );
    expect(describeFailure(fetchFailed(failed({ code: "E1" }, "")))).toBe("E1");
    expect(describeFailure("text")).toBe("text");
    const url = "https://z.example/v2/sessions/1?sessionToken=s3cret#s3cret";
    const error = failed({}, `error sending request for url (${url}): closed`);
    expect(describeFailure(error)).toBe(
      "error sending request for url (https://z.example/v2/sessions/1): closed",
    );
    expect(String(plainCause(error, (text) => text))).not.toContain("s3cret");
  });
});
