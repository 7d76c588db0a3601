import type { Socket } from "node:net";
import type { Code } from "@connectrpc/connect";
import {
  type Exchange,
  type Fields,
  finish,
  messageBytes,
  type Protocol,
  type WireOptions,
  type WireServer,
} from "./exchange.ts";

export type CodeName = keyof typeof Code;
/** What may come of a call; `"error"` is any code: the fault says nothing about what went wrong. */
export type Expected = Ending | "error" | readonly Ending[];
type Ending = "ok" | CodeName;

export interface Fault {
  name: string;
  /** The protocols that can have it. Default all. */
  protocols?: readonly Protocol[];
  /** What is right for the call that meets it. */
  expect: Expected | Partial<Record<Protocol, Expected>>;
  /** What the server does with the request. Default: nothing wrong. */
  respond?: (exchange: Exchange) => void;
  /** How many requests meet the fault. Default 1. */
  times?: number;
  /** What the server does with a connection, counted from 1; true when that is all. */
  connection?: (socket: Socket, number: number) => boolean;
  /** No server is there for the first call. */
  down?: true;
  /** The server stays like this, so that a second call says nothing. */
  lasts?: true;
  /** Calls that go well before. Default 0. */
  before?: number;
  /** What happens between those and the call. */
  between?: (server: WireServer) => Promise<void>;
  /** The deadline of the call. Default 5000, which only a hang reaches. */
  timeoutMs?: number;
  wire?: Partial<WireOptions>;
  /** Options of this package's client that the fault is about. */
  options?: Record<string, unknown>;
}

export const framed: readonly Protocol[] = ["grpc", "grpc-web"];
export const http1: readonly Protocol[] = ["grpc-web", "json"];

/** A call without a response settles at its deadline, and these are quick ones. */
export const shortMs = 300;

/** Faults that only these protocols can have. */
export const only = (
  protocols: readonly Protocol[],
  faults: readonly Omit<Fault, "protocols">[],
): Fault[] => faults.map((fault) => ({ ...fault, protocols }));

/** A response in parts: each is as a healthy server sends it where it is left out. */
interface Parts {
  status?: number;
  fields?: Fields;
  body?: string | Uint8Array | ((protocol: Protocol) => string | Uint8Array);
  /** The status and what is beside it; "none" where the response ends without, "never" where it does not end. */
  end?: Fields | "none" | "never";
}

export const responds =
  ({ status = 200, fields = {}, body = messageBytes, end = { "grpc-status": "0" } }: Parts) =>
  (exchange: Exchange): void => {
    exchange.head(fields, status);
    const bytes = typeof body === "function" ? body(exchange.protocol) : body;
    if (bytes.length > 0) {
      exchange.body(bytes);
    }
    if (end === "none") {
      exchange.end();
    } else if (end !== "never") {
      finish(exchange, end);
    }
  };
/** A response that begins like this and goes on in another way. */
export const begins =
  (body: NonNullable<Parts["body"]>, then: (exchange: Exchange) => void) =>
  (exchange: Exchange): void => {
    responds({ body, end: "never" })(exchange);
    then(exchange);
  };
/** A status and its message alone. */
export const fails = (fields: Fields) => responds({ body: "", end: fields });
export const half = (protocol: Protocol) => messageBytes(protocol).subarray(0, -2);
/** Ends the connection once what was written has gone out. */
export const reset = ({ socket }: Exchange) => void setTimeout(() => socket.resetAndDestroy(), 20);
export const hangUp = ({ socket }: Exchange) => void socket.end();
/** Goes on with this until the request is over. */
export const repeat = (exchange: Exchange, ms: number, what: () => void) => {
  const timer = setInterval(what, ms);
  void exchange.over.then(() => clearInterval(timer));
};
export const gone = async (server: WireServer) => {
  for (const socket of server.sockets) {
    await new Promise((resolve) => {
      socket.once("close", resolve);
      socket.end();
    });
  }
};

export function expectedEndings(fault: Fault, protocol: Protocol): Expected {
  const { expect } = fault;
  if (typeof expect === "string" || Array.isArray(expect)) {
    return expect as Expected;
  }
  return (expect as Partial<Record<Protocol, Expected>>)[protocol] ?? "error";
}

/** Whether a call that met a fault ended as it should. */
export function isRight(expected: Expected, ending: string): boolean {
  if (expected === "error") {
    return !["ok", "wrong response", "no ConnectError", "hangs", "DeadlineExceeded"].includes(
      ending,
    );
  }
  return typeof expected === "string" ? ending === expected : expected.includes(ending as Ending);
}

export function hasProtocol(fault: Fault, protocol: Protocol): boolean {
  return fault.protocols?.includes(protocol) ?? true;
}
