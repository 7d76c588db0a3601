import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { serviceUser } from "../auth/index.js";
import type { TokenSource } from "../options/token-source.js";
import { inFlags } from "./explain.js";
import { fileProblem } from "./file-problem.js";
import { type Io, UsageError } from "./io.js";

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
