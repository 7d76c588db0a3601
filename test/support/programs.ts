import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { SandboxServer } from "../../src/sandbox/index.js";

export const root = fileURLToPath(new URL("../..", import.meta.url));

/** Runs a program against the built package until it ends by itself; what it prints is all of its output. */
export async function runProgram(
  code: string,
  env: Record<string, string> = {},
): Promise<{ exitCode: number | null; output: string }> {
  const child = spawn(process.execPath, ["--input-type=module"], {
    cwd: root,
    env: { ...process.env, ...env },
    timeout: 15_000,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      output += chunk;
    });
  }
  child.stdin.end(code);
  await once(child, "close");
  return { exitCode: child.exitCode, output };
}

/** A fenced block of a document. */
export interface Block {
  /** What stands behind the fence: `ts`, `ts browser`, `sh`. */
  readonly language: string;
  readonly code: string;
  /** The file and the line, to find it again. */
  readonly place: string;
}

export function blocksOf(file: string): Block[] {
  const text = readFileSync(root + file, "utf8");
  return [...text.matchAll(/^```([\w ]+)\n(.*?)^```$/gms)].map(
    ({ 1: language = "", 2: code = "", index }) => ({
      language,
      code,
      place: `${file}:${text.slice(0, index).split("\n").length}`,
    }),
  );
}

/** The name of a file for a block. */
export const fileOf = ({ place }: Block): string => `${place.replace(/\W/g, "-")}.mts`;

/** The variables that a program reads from its environment. */
export function variablesOf({ code }: Block): string[] {
  const [, list = ""] = /const \{([^}]*)\} = process\.env;/.exec(code) ?? [];
  return list.match(/[A-Z_]{3,}/g) ?? [];
}

/** The variables that a program of the README names in its first line. */
export function namedVariables({ code }: Block): string[] {
  return code.split("\n", 1)[0]?.match(/[A-Z_]{3,}/g) ?? [];
}

/** The environment for a program: no more than the variables that its first line names. */
export async function environmentFor(
  block: Block,
  sandbox: SandboxServer,
  folder: string,
): Promise<{ env: Record<string, string>; named: string[] }> {
  const single = sandbox.addGrant();
  const several = [sandbox.addGrant().grantId, sandbox.addGrant().grantId];
  const [key, grants] = ["key.json", "grants.txt"].map((name) => join(folder, name));
  await writeFile(key ?? "", JSON.stringify(sandbox.addKey()));
  await writeFile(grants ?? "", `${several.join("\n")}\n`);
  const values: Record<string, string | undefined> = {
    ZITADEL_URL: sandbox.baseUrl,
    ZITADEL_TOKEN: sandbox.token,
    USER_ID: single.userId,
    GRANT_ID: single.grantId,
    GRANT_IDS: several.join(","),
    ZITADEL_KEY_FILE: key,
    GRANTS_FILE: grants,
  };
  const env: Record<string, string> = {};
  for (const name of namedVariables(block)) {
    env[name] = values[name] ?? "";
  }
  return { env, named: [single.grantId, ...several] };
}
