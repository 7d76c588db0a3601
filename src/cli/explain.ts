import { Code } from "@connectrpc/connect";
import { describeError } from "../errors/describe.js";
import { printable } from "./terminal.js";

/** What to do when ZITADEL rejects a caller, by error id. */
export const advice: Readonly<Record<string, string>> = {
  "AUTH-7fs1e":
    "The token is unknown, has expired, or was made without the scope urn:zitadel:iam:org:project:id:zitadel:aud. Get a new one with that scope.",
  "AUTHZ-cdgFk":
    "This account has no manager role here. Give it one (Org Owner, or a role with user.grant.write and user.grant.delete), and check the organization.",
  "AUTH-5mWD2":
    "This account's role lacks user.grant.write or user.grant.delete. Give it a role that has them, such as Org Owner.",
  "AUTH-Bs7Ds": "The organization does not exist on this instance. Check --org (ZITADEL_ORG_ID).",
  "COMMAND-5M0sd":
    "The list of ids did not arrive: something in between drops the body of a DELETE. Use --protocol grpc or grpc-web.",
  "EVENT-Shu7e": "This account's role is for another project than the grant's.",
};

/** The message of a call's error, and what to do about it. */
export function explain(error: unknown): string {
  const { code, id, message, requestId } = describeError(error);
  const request = requestId === undefined ? "" : ` Request ${requestId}.`;
  return printable(
    `${Code[code]}${id === undefined ? "" : ` ${id}`}: ${inFlags(message)}.${request} ${adviceFor(code, id, message)}`
      .replace(/\.\. /, ". ")
      .trim(),
  );
}

/** The options of the library, and the corresponding flags. */
const flagNames: readonly (readonly [RegExp, string])[] = [
  [/\ballowInsecure: true\b/g, "--allow-insecure"],
  [/\ballowInsecure\b/g, "--allow-insecure"],
  [/\bbaseUrl\b/g, "--url"],
  [/\binstanceHost\b/g, "--instance-host"],
  [/\borgId\b/g, "--org"],
  [/\bstartSandbox(?:\(\))?: ?/g, ""],
];

/** A message of the library with flags in place of options, which users of the tool do not know. */
export function inFlags(message: string): string {
  return flagNames.reduce((text, [name, flag]) => text.replace(name, flag), message);
}

function adviceFor(code: Code, id: string | undefined, message: string): string {
  const known = id === undefined ? undefined : advice[id];
  if (known !== undefined) {
    return known;
  }
  switch (code) {
    case Code.NotFound:
      return message.includes("unable to set instance")
        ? "This host name is not a domain of an instance: check --url, or give --instance-host."
        : "Something other than ZITADEL responded: check --url.";
    case Code.Unauthenticated:
      return "Check the token or the key file.";
    case Code.PermissionDenied:
      return "Something between here and ZITADEL may forbid it: a proxy or a firewall. Try --protocol json.";
    case Code.Unimplemented:
    case Code.Unknown:
    case Code.Internal:
      return "A proxy in between may not let this protocol through: try --protocol json, and zitadel-user-grants doctor.";
    case Code.Unavailable:
    case Code.DeadlineExceeded:
    case Code.ResourceExhausted:
      return "The server cannot be reached, or takes no more for now.";
    default:
      return "";
  }
}
