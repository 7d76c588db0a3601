import type { ManagementClient } from "../client/client.js";
import { createMask, type Mask } from "../common/mask.js";
import * as grpc from "../grpc.js";
import * as grpcWeb from "../grpc-web.js";
import * as json from "../json.js";
import type { CommonOptions } from "../options/client-options.js";
import type { FlagTable } from "./command.js";
import { asUsageError, nonEmpty, readToken } from "./credentials.js";
import { createDebugOutput } from "./debug-output.js";
import { oneOf } from "./flags.js";
import { type Io, UsageError } from "./io.js";
import { createSender, type RequestOptions } from "./send.js";

export type { RequestOptions } from "./send.js";

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
    debug: debug?.interceptor,
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
