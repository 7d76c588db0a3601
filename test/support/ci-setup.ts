import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  export interface ProvidedContext {
    /** The path of the packed package. */
    tarball: string;
  }
}

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Builds and packs the package once: all matrices install the same tarball. */
export default function setup(project: TestProject): () => void {
  const folder = mkdtempSync(join(tmpdir(), "zitadel-user-grants-tarball-"));
  const npm = (...args: string[]) =>
    execFileSync("npm", args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  npm("run", "--silent", "build");
  const [{ filename }] = JSON.parse(
    npm("pack", "--ignore-scripts", "--json", "--pack-destination", folder),
  ) as [{ filename: string }];
  project.provide("tarball", join(folder, filename));
  return () => rmSync(folder, { recursive: true, force: true });
}
