import type { Socket } from "node:net";

export type Protocol = "grpc" | "grpc-web" | "json";
export type Fields = Record<string, string | string[]>;

/** One request that reached a server, and the means to respond well, badly or not at all. */
export interface Exchange {
  readonly protocol: Protocol;
  /** Counts the requests of the server, from 1. */
  readonly number: number;
  readonly path: string;
  readonly socket: Socket;
  /** Resolves when the request is over: completely responded to, reset by either side, or its connection is gone. */
  readonly over: Promise<void>;
  /** An informational response. */
  info(status: number, fields?: Fields): void;
  head(fields?: Fields, status?: number): void;
  body(bytes: Uint8Array | string): void;
  /** Ends the response; HTTP/2 with trailers, where some are given. */
  end(trailers?: Fields): void;
  /** HTTP/2: a frame of this stream. */
  frame(type: number, flags: number, payload?: Uint8Array, streamId?: number): void;
  /** HTTP/2: the id of the stream. */
  readonly streamId: number;
}

/** A server that does what a test says, byte by byte. */
export interface WireServer {
  readonly port: number;
  readonly baseUrl: string;
  /** Connections that are open now. */
  readonly sockets: ReadonlySet<Socket>;
  readonly requests: number;
  close(): Promise<void>;
}

export interface WireOptions {
  port?: number | undefined;
  /** Called for each connection, counted from 1. True when it has dealt with it. */
  connection?: ((socket: Socket, number: number) => boolean) | undefined;
  respond: (exchange: Exchange) => void;
  /** HTTP/2: the payload of the SETTINGS of a connection, counted from 1; undefined for none at all. */
  settings?: ((connection: number) => Uint8Array | undefined) | undefined;
  /** HTTP/2: whether PINGs are acknowledged. Default true. */
  pong?: boolean | undefined;
}

/** `DeactivateUserGrantResponse { details { sequence: 5 } }` */
export const message = Uint8Array.of(0x0a, 0x02, 0x08, 0x05);
export const messageJson = '{"details":{"sequence":"5"}}';

/** A length-prefixed message, or with flag 128 gRPC-web's trailers. */
export function frame(flags: number, data: Uint8Array | string): Buffer {
  const bytes = Buffer.from(data);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(flags, 0);
  prefix.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([prefix, bytes]);
}

export const contentTypes: Record<Protocol, string> = {
  grpc: "application/grpc+proto",
  "grpc-web": "application/grpc-web+proto",
  json: "application/json",
};

/** The bytes of the response's message, as the protocol frames them. */
export function messageBytes(protocol: Protocol): Buffer {
  return protocol === "json" ? Buffer.from(messageJson) : frame(0, message);
}

/** Ends a response with a status: as trailers, as gRPC-web's last frame, or plainly. */
export function finish(exchange: Exchange, fields: Fields = { "grpc-status": "0" }): void {
  if (exchange.protocol === "grpc-web") {
    const lines = Object.entries(fields).flatMap(([name, value]) =>
      [value].flat().map((one) => `${name}: ${one}\r\n`),
    );
    exchange.body(frame(128, lines.join("")));
  }
  exchange.end(exchange.protocol === "grpc" ? fields : undefined);
}

/** Responds as a healthy server does. */
export function respondWell(exchange: Exchange): void {
  exchange.head();
  exchange.body(messageBytes(exchange.protocol));
  finish(exchange);
}
