import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const measured = ["src", "gen", "bench", "package.json", "package-lock.json"];

/** The commit that is measured, and whether something of it has been changed since. */
export function commitName() {
  const git = (...args) => execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim();
  const name = git("log", "-1", "--format=%h of %cs");
  return git("status", "--porcelain", "--", ...measured) === "" ? name : `${name}, with changes`;
}
