import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { serviceUser } from "../auth/index.js";
import type { ManagementClient } from "../client/client.js";
import * as grpc from "../grpc.js";
import * as grpcWeb from "../grpc-web.js";
import * as json from "../json.js";
import type { CommonOptions } from "../options/client-options.js";
import type { TokenSource } from "../options/token-source.js";
import type { FlagTable } from "./command.js";
import { oneOf } from "./flags.js";
import { type Io, UsageError } from "./io.js";

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
    file: true,
    help: "key file of a service user (ZITADEL_KEY_FILE)",
  },
  "token-file": {
    type: "string",
    value: "<path>",
    file: true,
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
    help: "public domain of the instance, where the url is another address of it",
  },
  "allow-insecure": {
    type: "boolean",
    help: "permit http to other machines: everyone on the network path can read the tokens",
  },
} as const satisfies FlagTable;

export const connectionNote =
  "A flag wins over its variable. A private certificate authority: set NODE_EXTRA_CA_CERTS to its file. A proxy: HTTPS_PROXY, NO_PROXY.";

export type ConnectionFlags = {
  readonly [Name in keyof typeof connectionFlags]?:
    | ((typeof connectionFlags)[Name]["type"] extends "boolean" ? boolean : string)
    | undefined;
};

/** Where a command goes, and as whom. */
export interface Connection {
  readonly baseUrl: string;
  readonly orgId: string | undefined;
  readonly protocol: ProtocolName;
  readonly instanceHost: string | undefined;
  /** Makes a client over that protocol, or over another one. */
  readonly createClient: (protocol?: ProtocolName) => ManagementClient;
  /** A plain GET, with the credentials of the calls. */
  readonly get: (path: string, headers?: Record<string, string>) => Promise<Response>;
  /**
   * A JSON request with the credentials and the organization of the calls. A rejected token is renewed,
   * and the request sent once more.
   */
  readonly request: (path: string, options?: RequestOptions) => Promise<Response>;
  /** A text without the tokens that were sent: what comes back may echo them. */
  readonly mask: (text: string) => string;
  /** Whether the token is read from standard input. */
  readonly usesStdin: boolean;
}

/** Node's own fetch takes no proxy. */
export const fetchThroughProxy = grpc.createFetch();

/** How long a plain request may take. */
const requestMs = 30_000;

/**
 * Reads the connection from flags and environment, and the secret from where these say.
 *
 * @throws UsageError for what is missing, not readable or not allowed.
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
  const token = await readToken(flags, baseUrl, io);
  const instanceHost = flags["instance-host"];
  const options: CommonOptions = {
    baseUrl,
    token,
    orgId,
    instanceHost,
    allowInsecure: flags["allow-insecure"],
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
  const send = sender(baseUrl, token, instanceHost, sent);
  return {
    baseUrl: baseUrl.replace(/\/+$/, ""),
    orgId,
    protocol,
    instanceHost,
    createClient,
    usesStdin: flags["token-file"] === "-",
    mask: (text) => [...sent].reduce((masked, bearer) => masked.replaceAll(bearer, "***"), text),
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

/** What a JSON request may be given. */
export interface RequestOptions {
  /** Makes it a POST. */
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
  /** 30 s when not given. */
  readonly timeoutMs?: number | undefined;
}

interface PlainRequest extends Omit<RequestOptions, "body"> {
  readonly headers?: Record<string, string> | undefined;
  readonly body?: string | undefined;
}

function sender(
  baseUrl: string,
  token: string | TokenSource,
  instanceHost: string | undefined,
  sent: Set<string>,
): (path: string, request: PlainRequest) => Promise<Response> {
  const url = baseUrl.replace(/\/+$/, "");
  return async (path, { headers, body, signal, timeoutMs = requestMs }) => {
    const limit = AbortSignal.timeout(timeoutMs);
    const attempt = (bearer: string) => {
      sent.add(bearer);
      return fetchThroughProxy(url + path, {
        method: body === undefined ? "GET" : "POST",
        headers: {
          authorization: `Bearer ${bearer}`,
          ...(instanceHost === undefined ? {} : { "x-zitadel-instance-host": instanceHost }),
          ...headers,
        },
        ...(body === undefined ? {} : { body }),
        redirect: "manual",
        signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
      });
    };
    if (typeof token === "string") {
      return await attempt(token);
    }
    const bearer = await token();
    const response = await attempt(bearer);
    if (response.status !== 401) {
      return response;
    }
    const renewed = await token({ refused: bearer });
    if (renewed === bearer) {
      return response;
    }
    await response.body?.cancel();
    return await attempt(renewed);
  };
}

async function readToken(
  flags: ConnectionFlags,
  baseUrl: string,
  io: Io,
): Promise<string | TokenSource> {
  // A flag is meant for this command, so it comes before what the environment holds.
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
    return serviceUser(await readSecret(name, path), {
      issuer: new URL(baseUrl).origin,
      fetch: fetchThroughProxy,
    });
  } catch (error) {
    throw asUsageError(error);
  }
}

async function readSecret(name: string, path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new UsageError(`${name}: ${(error as Error).message}`);
  }
}

function checkToken(value: string, from: string): string {
  const token = value.trim();
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new UsageError(
      `The token from ${from} is ${token === "" ? "empty" : "no token: it holds a space or a character that tokens do not have"}.`,
    );
  }
  return token;
}

function asUsageError(error: unknown): unknown {
  return error instanceof TypeError ? new UsageError(error.message) : error;
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === "" ? undefined : value;
}
