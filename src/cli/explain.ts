import { Code, ConnectError } from "@connectrpc/connect";
import { errorIds } from "../bulk/internal.js";
import { describeError } from "../index.js";
import { printable } from "./terminal.js";

/** What a call was for: what to do about an error depends on it. */
export type Use = "read" | "change";

/** What to do when ZITADEL rejects a caller, by error id. */
const advice: Readonly<Record<string, string>> = {
  // The library's message says which scope.
  [errorIds.invalidToken]: "Get a new token, with that scope; a key file renews it.",
  "AUTHZ-cdgFk":
    "This account has no manager role here. Give it one, such as Org Owner, and check the organization.",
  "AUTH-Bs7Ds": "The organization does not exist on this instance. Check --org (ZITADEL_ORG_ID).",
  [errorIds.emptyRequest]:
    "The list of ids did not arrive: something in between drops the body of a DELETE. Use --protocol grpc or grpc-web.",
  [errorIds.otherProject]: "This account's role is for another project than the grant's.",
};
const lacks: Readonly<Record<Use, string>> = {
  read: "This account may not read grants: its role lacks user.grant.read. Give it a role that has it, such as Org Owner Viewer.",
  change:
    "This account's role lacks user.grant.write or user.grant.delete. Give it a role that has them, such as Org Owner.",
};

/** The message of a call's error, and what to do about it. */
export function explain(error: unknown, use: Use = "change"): string {
  return `${messageOf(error)} ${adviceFor(error, use)}`.trim();
}

/** The message of a call's error: that of a server as the server wrote it. */
export function messageOf(error: unknown): string {
  const { code, id, message, requestId } = describeError(error);
  const own = ConnectError.from(error).isWireError ? message : inFlags(message);
  const request = requestId === undefined ? "" : ` Request ${requestId}.`;
  const what = id === undefined ? Code[code] : `${Code[code]} ${id}`;
  return printable(`${what}: ${own.replace(/(?<=[^.?!\s])[.\s]*$/, ".")}${request}`);
}

/** What the library calls its options, which users of the tool do not know, and the corresponding flags. */
const flagNames = {
  "allowInsecure: true": "--allow-insecure",
  allowInsecure: "--allow-insecure",
  baseUrl: "--url",
  instanceHost: "--instance-host",
  orgId: "--org",
  "set nodeOptions.ca, or NODE_EXTRA_CA_CERTS for the whole program": "set NODE_EXTRA_CA_CERTS",
  "gRPC-web and JSON do without": "--protocol grpc-web and --protocol json do without",
  // What only programs can do.
  ", or nodeOptions.servername to the name it must have": "",
  ": set nodeOptions.cert and nodeOptions.key": "",
  ", or a function that returns one": "",
  ", as an object or its JSON text": "",
  " (is it the file's name? Its content is meant)": "",
};

/** A message of the library with flags in place of options. */
export function inFlags(message: string): string {
  return Object.entries(flagNames).reduce(
    (text, [option, flag]) => text.replaceAll(option, flag),
    message,
  );
}

function adviceFor(error: unknown, use: Use): string {
  const { code, id = "" } = describeError(error);
  if (id === "AUTH-5mWD2") {
    return lacks[use];
  }
  if (Object.hasOwn(advice, id)) {
    return advice[id] ?? "";
  }
  // What has another id comes from ZITADEL itself, through whatever is in between.
  switch (id === "" || code === Code.Unauthenticated ? code : undefined) {
    case Code.NotFound:
      return "This host name may be no domain of an instance: check --url, or give --instance-host.";
    case Code.Unauthenticated:
      return "Check the token or the key file.";
    case Code.PermissionDenied:
    case Code.Unimplemented:
    case Code.Unknown:
    case Code.Internal:
      return "A proxy or a firewall in between may not let it through: zitadel-user-grants doctor tries each protocol.";
    default:
      // The message says what to do.
      return "";
  }
}
