import type { DescMethod } from "@bufbuild/protobuf";
import type { Compression } from "@connectrpc/connect/protocol";
import type { GrpcOptions, NodeConnectOptions } from "../../options/options.js";
import type { HeaderFields } from "../call/call.js";

/** Names and values alternate. Node processes a list faster than an object: a twentieth of a call. */
export type HeaderList = string[];

const headerTimeout = "grpc-timeout";
const headerAgent = "user-agent";
const userAgent = "zitadel-user-grants";

/**
 * The fixed header values of requests.
 *
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests
 */
export class RequestHeaders {
  /** The host and port that are sent. */
  readonly authority: string;
  readonly #origin: string;
  /** What every request begins with, up to the name of its path. */
  readonly #start: HeaderList;
  readonly #pathPrefix: string;
  readonly #protocol: HeaderFields;
  /** The same, as a list. */
  readonly #protocolList: HeaderList;

  constructor(
    {
      baseUrl,
      nodeOptions,
      sendCompression,
    }: Pick<GrpcOptions, "baseUrl" | "nodeOptions" | "sendCompression">,
    subtype: string,
    acceptCompression: readonly Compression[],
  ) {
    const url = new URL(baseUrl);
    const { origin, pathname, protocol } = url;
    this.authority = authorityOf(url, nodeOptions);
    this.#origin = origin;
    this.#start = [
      ...[":method", "POST"],
      // Node would add the port even if it is the default, and ZITADEL selects its instance by this value.
      ...[":authority", this.authority],
      ...[":scheme", protocol.slice(0, -1)],
      ":path",
    ];
    this.#pathPrefix = pathname.replace(/\/$/, "");
    this.#protocol = {
      "content-type": `application/grpc+${subtype}`,
      te: "trailers",
      ...(sendCompression && { "grpc-encoding": sendCompression.name }),
      ...(acceptCompression.length > 0 && {
        "grpc-accept-encoding": acceptCompression.map(({ name }) => name).join(","),
      }),
    };
    this.#protocolList = Object.entries(this.#protocol).flat();
  }

  /** The target of requests for a method. */
  url({ parent, name }: DescMethod): string {
    return `${this.#origin}${this.#pathPrefix}/${parent.typeName}/${name}`;
  }

  /** Adds what the protocol sends, for streams. */
  addTo(header: Headers, timeoutMs: number | undefined): void {
    for (const [name, value] of Object.entries(this.#protocol)) {
      header.set(name, value);
    }
    if (!header.has(headerAgent)) {
      header.set(headerAgent, userAgent);
    }
    if (timeoutMs !== undefined) {
      header.set(headerTimeout, grpcTimeout(timeoutMs));
    }
  }

  /** The headers sent with one attempt. @param remainingMs the time left for it, if it has a limit. */
  list(url: string, fields: HeaderFields, remainingMs: number | undefined): HeaderList {
    const list = [...this.#start, url.slice(this.#origin.length), ...this.#protocolList];
    for (const name of Object.keys(fields)) {
      if (name !== headerTimeout && !Object.hasOwn(this.#protocol, name)) {
        list.push(name, fields[name] ?? "");
      }
    }
    if (!Object.hasOwn(fields, headerAgent)) {
      list.push(headerAgent, userAgent);
    }
    const timeout = remainingMs === undefined ? fields[headerTimeout] : grpcTimeout(remainingMs);
    if (timeout) {
      list.push(headerTimeout, timeout);
    }
    return list;
  }
}

/** The host and port that requests name. */
export function authorityOf(
  { host, port, protocol }: URL,
  nodeOptions: NodeConnectOptions | undefined,
): string {
  const servername = protocol === "https:" ? nodeOptions?.servername : undefined;
  return servername ? `${servername}${port && `:${port}`}` : host;
}

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

/** Since Node 22.17 and 24.2. */
const takesLists = major === 22 ? minor >= 17 : major === 24 ? minor >= 2 : major > 24;

/** The list as this version of Node expects it. */
export function forNode(header: HeaderList): HeaderList | Record<string, string> {
  if (takesLists) {
    return header;
  }
  const object: Record<string, string> = Object.create(null);
  for (let at = 0; at < header.length; at += 2) {
    object[header[at] ?? ""] = header[at + 1] ?? "";
  }
  return object;
}

/** Why the server would reject these headers, by its SETTINGS. */
export function tooLargeForServer(header: HeaderList, limitBytes: number): string | undefined {
  // As HTTP/2 counts it: https://www.rfc-editor.org/rfc/rfc9113#section-6.5.2. Values contain only Latin-1.
  const bytes = header.reduce((sum, text) => sum + text.length, 16 * header.length);
  return bytes > limitBytes
    ? `the headers of the request have ${bytes} bytes, more than the ${limitBytes} that the server allows`
    : undefined;
}

/**
 * Extra time for the server beyond the time that is left. The client's clock decides: a server whose timeout
 * expires first responds with various misleading errors.
 */
const serverGraceMs = 1_000;

const maxTimeoutValue = 99_999_999;

/**
 * The value of `grpc-timeout` for a call that has this much time left: at most eight digits and a unit, rounded
 * up.
 *
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests
 */
export function grpcTimeout(remainingMs: number): string {
  const limitMs = Math.ceil(remainingMs) + serverGraceMs;
  return limitMs <= maxTimeoutValue
    ? `${limitMs}m`
    : `${Math.min(maxTimeoutValue, Math.ceil(limitMs / 1000))}S`;
}
