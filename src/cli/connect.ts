import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { Code } from "@connectrpc/connect";
import { serviceUser } from "../auth/index.js";
import type { ManagementClient } from "../client/client.js";
import { platform } from "../common/environment.js";
import type { Observer } from "../common/observer.js";
import { withinTime } from "../common/time-limit.js";
import { type DebugEvent, debug } from "../debug.js";
import { createMask, type Mask } from "../errors/mask.js";
import * as grpc from "../grpc.js";
import * as grpcWeb from "../grpc-web.js";
import * as json from "../json.js";
import type { CommonOptions } from "../options/client-options.js";
import type { TokenSource } from "../options/token-source.js";
import { inFlags } from "./explain.js";
import { type FlagTable, oneOf } from "./flags.js";
import { fileProblem, type Io, line, type Output, UsageError } from "./io.js";
import { printable } from "./terminal.js";

export const protocols = { grpc, "grpc-web": grpcWeb, json } as const;
export type ProtocolName = keyof typeof protocols;

/** Flags of every command that talks to ZITADEL. */
export const connectionFlags = {
  url: {
    type: "string",
    value: "<url>",
    help: "the instance, such as https://example.zitadel.cloud (ZITADEL_URL)",
  },
  org: {
    type: "string",
    value: "<id>",
    help: "the organization of the grants (ZITADEL_ORG_ID); defaults to the account's organization",
  },
  "key-file": {
    type: "string",
    value: "<path>",
    help: "key file of a service user (ZITADEL_KEY_FILE)",
  },
  "token-file": {
    type: "string",
    value: "<path>",
    help: "file that holds a token, - for standard input; or set ZITADEL_TOKEN",
  },
  protocol: {
    type: "string",
    value: "<name>",
    values: Object.keys(protocols) as readonly ProtocolName[],
    help: "grpc, grpc-web or json (ZITADEL_PROTOCOL); grpc by default",
  },
  "instance-host": {
    type: "string",
    value: "<name>",
    help: "public domain of the instance, if the url is another address of it",
  },
  "allow-insecure": {
    type: "boolean",
    help: "permit http to other machines: everyone on the network path can read the tokens",
  },
  debug: {
    type: "boolean",
    help: "print requests and responses to standard error, with secrets masked",
  },
} as const satisfies FlagTable;

export const connectionNote =
  "A flag wins over its variable. A private certificate authority: set NODE_EXTRA_CA_CERTS to its file. A proxy: HTTPS_PROXY, NO_PROXY.";

export type ConnectionFlags = {
  readonly [Name in keyof typeof connectionFlags]?:
    | ((typeof connectionFlags)[Name]["type"] extends "boolean" ? boolean : string)
    | undefined;
};

/** The server and the account of a command. */
export interface Connection {
  readonly baseUrl: string;
  readonly orgId: string | undefined;
  readonly protocol: ProtocolName;
  readonly instanceHost: string | undefined;
  /** Creates a client over that protocol, or over another one. */
  readonly createClient: (protocol?: ProtocolName) => ManagementClient;
  /** A plain GET, with the credentials of the calls. */
  readonly get: (path: string, headers?: Record<string, string>) => Promise<Response>;
  /**
   * A JSON request with the credentials and the organization of the calls. A rejected token is renewed,
   * and the request retried once.
   */
  readonly request: (path: string, options?: RequestOptions) => Promise<Response>;
  /** Masks the tokens that were sent: a response may echo them. */
  readonly mask: () => Mask;
  /** Whether the token is read from standard input. */
  readonly usesStdin: boolean;
}

/** Node's own fetch does not support proxies. */
export const fetchThroughProxy = grpc.createFetch();

/**
 * Reads the connection from flags and environment, and the secret from where these refer to.
 *
 * @throws UsageError for values that are missing, unreadable or not allowed.
 */
export async function readConnection(flags: ConnectionFlags, io: Io): Promise<Connection> {
  const baseUrl = flags.url ?? nonEmpty(io.env.ZITADEL_URL);
  if (baseUrl === undefined) {
    throw new UsageError("No instance given. Give --url or set ZITADEL_URL.");
  }
  const orgId = flags.org ?? nonEmpty(io.env.ZITADEL_ORG_ID);
  const protocol =
    oneOf(
      "--protocol (or ZITADEL_PROTOCOL)",
      flags.protocol ?? nonEmpty(io.env.ZITADEL_PROTOCOL),
      Object.keys(protocols) as ProtocolName[],
    ) ?? "grpc";
  const instanceHost = flags["instance-host"];
  const token = await readToken(flags, { baseUrl, instanceHost, fetch: fetchThroughProxy }, io);
  const debug = flags.debug ? createDebugOutput(io.stderr) : undefined;
  const options: CommonOptions = {
    baseUrl,
    token,
    orgId,
    instanceHost,
    allowInsecure: flags["allow-insecure"],
    debug: debug?.observer,
  };
  const createClient = (name: ProtocolName = protocol) =>
    name === "grpc"
      ? protocols[name].createManagementClient(options)
      : protocols[name].createManagementClient({ ...options, fetch: fetchThroughProxy });
  try {
    createClient("json");
  } catch (error) {
    throw asUsageError(error);
  }
  const sent = new Set<string>();
  const send = createSender({
    ...{ baseUrl, token, instanceHost, sent, debug },
    fetch: fetchThroughProxy,
  });
  return {
    baseUrl: baseUrl.replace(/\/+$/, ""),
    orgId,
    protocol,
    instanceHost,
    createClient,
    usesStdin: flags["token-file"] === "-",
    mask: () => createMask(sent),
    get: (path, headers) => send(path, { headers }),
    async request(path, { body, signal, timeoutMs } = {}) {
      const headers = {
        ...(orgId === undefined ? {} : { "x-zitadel-orgid": orgId }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      };
      const json = body === undefined ? undefined : JSON.stringify(body);
      return await send(path, { headers, body: json, signal, timeoutMs });
    },
  };
}

/** How long a plain request may take. */
const defaultTimeoutMs = 30_000;

/** The options of a JSON request. */
export interface RequestOptions {
  /** Makes it a POST. */
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
  /** 30 s when not given. */
  readonly timeoutMs?: number | undefined;
}

export interface PlainRequest extends Omit<RequestOptions, "body"> {
  readonly headers?: Record<string, string> | undefined;
  readonly body?: string | undefined;
}

/** What all plain requests of a connection share. */
export interface SenderOptions {
  readonly baseUrl: string;
  readonly token: string | TokenSource;
  readonly instanceHost: string | undefined;
  readonly fetch: typeof globalThis.fetch;
  /** Collects the tokens that were sent. */
  readonly sent: Set<string>;
  readonly debug: RequestDebug | undefined;
}

/**
 * Creates a function that sends plain requests. A rejected token is renewed, and the request retried once. It
 * resolves when the complete response has been read.
 */
export function createSender(
  options: SenderOptions,
): (path: string, request: PlainRequest) => Promise<Response> {
  const { token, instanceHost, fetch, sent, debug } = options;
  const url = options.baseUrl.replace(/\/+$/, "");
  const timedOut = (timeoutMs: number) =>
    new DOMException(`no response in ${timeoutMs} ms`, "TimeoutError");
  return async (path, { headers, body, signal: outer, timeoutMs = defaultTimeoutMs }) => {
    const attempt = async (bearer: string, signal: AbortSignal) => {
      sent.add(bearer);
      const method = body === undefined ? "GET" : "POST";
      const seen = debug?.request(method, url + path, body);
      const response = await fetch(url + path, {
        method,
        headers: {
          authorization: `Bearer ${bearer}`,
          ...(instanceHost === undefined ? {} : { "x-zitadel-instance-host": instanceHost }),
          ...headers,
        },
        ...(body === undefined ? {} : { body }),
        redirect: "manual",
        signal,
      });
      seen?.(response);
      return await received(response);
    };
    const send = async (signal: AbortSignal) => {
      if (typeof token === "string") {
        return await attempt(token, signal);
      }
      const bearer = await token();
      const response = await attempt(bearer, signal);
      if (response.status !== 401) {
        return response;
      }
      const renewed = await token({ refused: bearer });
      return renewed === bearer ? response : await attempt(renewed, signal);
    };
    return await withinTime(platform, timeoutMs, outer, () => timedOut(timeoutMs), send);
  };
}

/** The response with its body read, so that the time limit applies to the body, too. */
async function received(response: Response): Promise<Response> {
  const { status, statusText, headers } = response;
  const body = await response.arrayBuffer();
  return new Response(body.byteLength === 0 ? null : body, { status, statusText, headers });
}

export interface CredentialFlags {
  readonly "key-file"?: string | undefined;
  readonly "token-file"?: string | undefined;
}

/** Where the token of a key file is requested. */
export interface Issuer {
  readonly baseUrl: string;
  readonly instanceHost: string | undefined;
  readonly fetch: typeof globalThis.fetch;
}

/**
 * The token or token source that flags and environment specify.
 *
 * @throws UsageError when there is no token, or it cannot be used.
 */
export async function readToken(
  flags: CredentialFlags,
  { baseUrl, instanceHost, fetch }: Issuer,
  io: Io,
): Promise<string | TokenSource> {
  // A flag is meant for this command, so it takes precedence over the environment.
  const tokenFile = flags["token-file"];
  if (tokenFile !== undefined && flags["key-file"] !== undefined) {
    throw new UsageError("Give --token-file or --key-file, not both.");
  }
  if (tokenFile !== undefined) {
    const token =
      tokenFile === "-" ? await text(io.stdin) : await readSecret("--token-file", tokenFile);
    return checkToken(token, tokenFile === "-" ? "standard input" : "--token-file");
  }
  const keyFile = flags["key-file"];
  const token = nonEmpty(io.env.ZITADEL_TOKEN);
  if (keyFile === undefined && token !== undefined) {
    return checkToken(token, "ZITADEL_TOKEN");
  }
  const path = keyFile ?? nonEmpty(io.env.ZITADEL_KEY_FILE);
  if (path === undefined) {
    throw new UsageError(
      "No credentials given. Set ZITADEL_TOKEN or ZITADEL_KEY_FILE, or give --key-file or --token-file.",
    );
  }
  const name = keyFile === undefined ? "ZITADEL_KEY_FILE" : "--key-file";
  try {
    const key = await readSecret(name, path);
    return serviceUser(key, { issuer: new URL(baseUrl).origin, instanceHost, fetch });
  } catch (error) {
    throw asUsageError(error);
  }
}

async function readSecret(name: string, path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (maybeSecret.test(path)) {
      throw new UsageError(
        `${name} takes the path of a file. The ${path.length} characters given may be its content, so they are not shown.`,
      );
    }
    throw new UsageError(`${name}: ${path} cannot be read: ${fileProblem(error, "read")}.`);
  }
}

/** JSON, PEM, a JWT, or a long word without a directory and an extension. */
const maybeSecret = /[{\r\n]|-----|^eyJ|^[^\\/.]{40,}$/;

function checkToken(value: string, from: string): string {
  const token = value.trim();
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new UsageError(
      `The token from ${from} is ${token === "" ? "empty" : "not a token: it contains a space, or a character that tokens do not have"}.`,
    );
  }
  return token;
}

/** The library's error, with flags in place of options. */
export function asUsageError(error: unknown): unknown {
  return error instanceof TypeError ? new UsageError(inFlags(error.message)) : error;
}

export function nonEmpty(value: string | undefined): string | undefined {
  return value === "" ? undefined : value;
}

const shownCharacters = 1000;

/** Called with a plain request; the function that it returns is called with the response. */
export interface RequestDebug {
  request(method: string, url: string, body: string | undefined): (response: Response) => void;
}

/** Shows requests and responses, one line an event. Tokens are never included. */
export function createDebugOutput(output: Output): RequestDebug & { readonly observer: Observer } {
  const write = (text: string) =>
    line(output, `debug ${printable(text).slice(0, shownCharacters)}`);
  return {
    observer: debug((event) => write(toText(event))),
    request(method, url, body) {
      const startedMs = platform.monotonicMs();
      write(`> ${method} ${url}${body === undefined ? "" : ` ${body}`}`);
      return ({ status, headers }) => {
        const requestId = headers.get("x-request-id");
        const ms = Math.round(platform.monotonicMs() - startedMs);
        write(
          `< HTTP ${status} in ${ms} ms${requestId === null ? "" : `, request ${requestId}`}: ${method} ${url}`,
        );
      };
    },
  };
}

function toText(event: DebugEvent): string {
  const name = `#${event.attempt} ${event.method.replace(/.*\//, "")}`;
  switch (event.type) {
    case "request":
      return `> ${name} ${event.url} ${JSON.stringify(event.header)}`;
    case "message":
      return `${event.from === "client" ? ">" : "<"} ${name} ${JSON.stringify(event.message)}`;
    case "response":
      return `< ${name} in ${Math.round(event.durationMs)} ms ${JSON.stringify(event.header)}`;
    case "end":
      return `< ${name} OK ${JSON.stringify(event.trailer)}`;
    case "error":
      return `< ${name} ${Code[event.code]} in ${Math.round(event.durationMs)} ms: ${event.message} ${JSON.stringify(event.metadata)}`;
  }
}
