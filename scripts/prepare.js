// Runs after `npm ci`, and before npm packs a clone or installs the package from git. Plain JavaScript:
// without the packages of `npm ci` this may be a Node that knows no types.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";

process.chdir(join(import.meta.dirname, ".."));

const hasCompiler = () => existsSync("node_modules/typescript/package.json");

/** @param {string[]} args */
function npm(...args) {
  // What npm pack --json prints is for programs.
  const { status } = spawnSync("npm", args, {
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  });
  if (status !== 0) {
    process.exit(status ?? 1);
  }
}

if (hasCompiler()) {
  npm("run", "--silent", "build");
} else if (process.env.npm_command === "pack" || process.env.npm_command === "publish") {
  // A fresh clone: this installs what the build needs, and builds.
  npm("ci", "--include=dev", "--no-dry-run", "--no-audit", "--no-fund");
} else {
  console.error("dist/ is not built: the development packages are not installed.");
}
