import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import type { Transport } from "@connectrpc/connect";
import { clientCredentials, serviceUser, type TokenSource } from "../auth/index.js";
import type { CommonOptions, ManagementClient } from "../bulk/internal.js";
import { debug } from "../debug.js";
import * as grpc from "../grpc.js";
import * as grpcWeb from "../grpc-web.node.js";
import * as json from "../json.js";
import { inFlags } from "./explain.js";
import { type FlagGroup, type FlagValues, oneOf } from "./flags.js";
import { fileProblem, type Io, line, pipedInput, UsageError } from "./io.js";
import { jsonText } from "./terminal.js";

export const protocols = { grpc, "grpc-web": grpcWeb, json } as const;
export type ProtocolName = keyof typeof protocols;

/** Flags of every command that talks to ZITADEL. Help shows them apart from those of a command. */
export const connectionGroup = {
  title: "Connection",
  flags: {
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
      values: Object.keys(protocols),
      help: "grpc by default (ZITADEL_PROTOCOL)",
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
  },
  note: "A flag wins over its variable. Client credentials: ZITADEL_CLIENT_ID, ZITADEL_CLIENT_SECRET. A private certificate authority: set NODE_EXTRA_CA_CERTS to its file. A proxy: HTTPS_PROXY, NO_PROXY.",
} as const satisfies FlagGroup;

export type ConnectionFlags = FlagValues<(typeof connectionGroup)["flags"]>;

/** The server and the account of a command. */
export interface Connection {
  readonly baseUrl: string;
  readonly orgId: string | undefined;
  readonly protocol: ProtocolName;
  readonly instanceHost: string | undefined;
  readonly createClient: () => ManagementClient;
  /** For the other services. */
  readonly transport: Transport;
  /** The same connection over another protocol. */
  readonly over: (protocol: ProtocolName) => Connection;
}

/** Node's own fetch does not support proxies. */
export const fetchThroughProxy = grpc.createFetch();

/** A list of grants may come in one response. */
const readMaxBytes = 512 * 1024 * 1024;

/**
 * Reads the connection from flags and environment, and the secret from where these refer to.
 *
 * @throws UsageError for values that are missing, unreadable or not allowed.
 */
export async function readConnection(flags: ConnectionFlags, io: Io): Promise<Connection> {
  // A variable that is empty is not set.
  const baseUrl = flags.url || io.env.ZITADEL_URL;
  if (!baseUrl) {
    throw new UsageError("No instance given. Give --url or set ZITADEL_URL.");
  }
  const orgId = flags.org || io.env.ZITADEL_ORG_ID || undefined;
  const protocolGiven = oneOf(
    "--protocol (or ZITADEL_PROTOCOL)",
    flags.protocol || io.env.ZITADEL_PROTOCOL || undefined,
    Object.keys(protocols) as ProtocolName[],
  );
  const instanceHost = flags["instance-host"];
  // Tokens are never included.
  const showEvents = debug(({ type, attempt, method, ...event }) => {
    line(io.stderr, `debug ${type} #${attempt} ${method.replace(/.*\//, "")} ${jsonText(event)}`);
  });
  const checked: CommonOptions = {
    ...{ baseUrl, orgId, instanceHost, allowInsecure: flags["allow-insecure"] },
    debug: flags.debug ? showEvents : undefined,
  };
  try {
    // The library checks what it is given.
    json.createTransport(checked);
    const token = await readToken(flags, new URL(baseUrl).origin, io);
    const over = (protocol: ProtocolName): Connection => {
      const fetch = protocol === "grpc" ? undefined : fetchThroughProxy;
      const options = { ...checked, token, fetch };
      return {
        baseUrl: baseUrl.replace(/\/+$/, ""),
        ...{ orgId, protocol, instanceHost, over },
        createClient: () => protocols[protocol].createManagementClient(options),
        transport: protocols[protocol].createTransport({ ...options, readMaxBytes }),
      };
    };
    return over(protocolGiven ?? "grpc");
  } catch (error) {
    throw error instanceof TypeError ? new UsageError(inFlags(error.message)) : error;
  }
}

/**
 * The token or token source that flags and environment specify. A flag is meant for this command, so it takes
 * precedence over the environment.
 *
 * @throws UsageError when there is none, or its file cannot be read; TypeError for what is no key file.
 */
async function readToken(
  flags: ConnectionFlags,
  issuer: string,
  io: Io,
): Promise<string | TokenSource> {
  const { env } = io;
  const { "token-file": tokenFile, "key-file": keyFile, "instance-host": instanceHost } = flags;
  if (tokenFile !== undefined && keyFile !== undefined) {
    throw new UsageError("Give --token-file or --key-file, not both.");
  }
  if (tokenFile === "-") {
    return (await text(pipedInput(io))).trim();
  }
  if (tokenFile !== undefined) {
    const bytes = await readSecret("--token-file", tokenFile);
    // PowerShell writes UTF-16.
    const encoding = bytes[0] === 0xff ? "utf-16le" : "utf-8";
    return new TextDecoder(encoding).decode(bytes).trim();
  }
  if (keyFile === undefined && env.ZITADEL_TOKEN) {
    return env.ZITADEL_TOKEN.trim();
  }
  const options = { issuer, instanceHost, fetch: fetchThroughProxy };
  const path = keyFile || env.ZITADEL_KEY_FILE;
  if (path) {
    const name = keyFile === undefined ? "ZITADEL_KEY_FILE" : "--key-file";
    return serviceUser(await readSecret(name, path), options);
  }
  const { ZITADEL_CLIENT_ID: clientId, ZITADEL_CLIENT_SECRET: clientSecret } = env;
  if (clientId && clientSecret) {
    return clientCredentials({ ...options, clientId, clientSecret });
  }
  throw new UsageError(
    "No credentials given. Set ZITADEL_TOKEN, ZITADEL_KEY_FILE, or ZITADEL_CLIENT_ID and ZITADEL_CLIENT_SECRET, or give --key-file or --token-file.",
  );
}

async function readSecret(name: string, path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    // Not the path: it may be the secret itself.
    throw new UsageError(`${name}: its file cannot be read: ${fileProblem(error)}.`);
  }
}
