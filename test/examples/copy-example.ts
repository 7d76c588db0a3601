import { cp, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { root } from "../support/programs.js";

/**
 * Copies an example to where it imports this package's build by name, without an installation: into this
 * repository, without the example's own package.json.
 */
export async function copyExample(name: string): Promise<string> {
  const folder = join(root, ".cache", "examples", name);
  await rm(folder, { recursive: true, force: true });
  await cp(join(root, "examples", name), folder, {
    recursive: true,
    filter: (path) => !["package.json", "node_modules", "dist"].includes(basename(path)),
  });
  return folder;
}
