import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { serviceUser } from "../auth/index.js";
import type { ManagementClient } from "../client/client.js";
import * as grpc from "../grpc.js";
import * as grpcWeb from "../grpc-web.js";
import * as json from "../json.js";
import type { CommonOptions } from "../options/client-options.js";
import type { TokenSource } from "../options/token-source.js";
import { oneOf } from "./flags.js";
import { type Io, UsageError } from "./io.js";

export const protocols = { grpc, "grpc-web": grpcWeb, json } as const;
export type ProtocolName = keyof typeof protocols;

/** Flags of every command that talks to ZITADEL. */
export const connectionFlags = {
  url: { type: "string" },
  org: { type: "string" },
  protocol: { type: "string" },
  "key-file": { type: "string" },
  "token-file": { type: "string" },
  "instance-host": { type: "string" },
  "allow-insecure": { type: "boolean" },
} as const;

export const connectionUsage = `Connection (the variables are used where the flag is missing):
  --url <url>            the instance, such as https://example.zitadel.cloud (ZITADEL_URL)
  --org <id>             the organization of the grants (ZITADEL_ORG_ID); the account's own without
  --key-file <path>      key file of a service user (ZITADEL_KEY_FILE)
  --token-file <path>    file that holds a token, - for standard input; or set ZITADEL_TOKEN
  --protocol <name>      grpc, grpc-web or json (ZITADEL_PROTOCOL); grpc without
  --instance-host <name> public domain of the instance, where the url is another address of it
  --allow-insecure       permit http to other machines: tokens then travel readable by all between
A private certificate authority: set NODE_EXTRA_CA_CERTS to its file. A proxy: HTTPS_PROXY, NO_PROXY.
`;

interface ConnectionFlags {
  readonly url?: string | undefined;
  readonly org?: string | undefined;
  readonly protocol?: string | undefined;
  readonly "key-file"?: string | undefined;
  readonly "token-file"?: string | undefined;
  readonly "instance-host"?: string | undefined;
  readonly "allow-insecure"?: boolean | undefined;
}

/** Where a command goes, and as whom. */
export interface Connection {
  readonly baseUrl: string;
  readonly orgId: string | undefined;
  readonly protocol: ProtocolName;
  /** Makes a client over that protocol, or over another one. */
  readonly createClient: (protocol?: ProtocolName) => ManagementClient;
  /** A plain JSON request, as whoever the calls are made as. */
  readonly get: (path: string, headers?: Record<string, string>) => Promise<Response>;
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
    throw new UsageError("Which instance? Give --url or set ZITADEL_URL.");
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
  return {
    baseUrl: baseUrl.replace(/\/+$/, ""),
    orgId,
    protocol,
    createClient,
    usesStdin: flags["token-file"] === "-",
    async get(path, headers = {}) {
      const bearer = typeof token === "string" ? token : await token();
      return await fetchThroughProxy(baseUrl.replace(/\/+$/, "") + path, {
        headers: {
          authorization: `Bearer ${bearer}`,
          ...(instanceHost === undefined ? {} : { "x-zitadel-instance-host": instanceHost }),
          ...headers,
        },
        redirect: "manual",
        signal: AbortSignal.timeout(requestMs),
      });
    },
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
      "Who calls? Set ZITADEL_TOKEN or ZITADEL_KEY_FILE, or give --key-file or --token-file.",
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
