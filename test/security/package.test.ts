import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const root = new URL("../../", import.meta.url);
const packageJson = JSON.parse(readFileSync(new URL("package.json", root), "utf8"));

describe("the package", () => {
  // `prepare` runs for a git dependency alone, which has to be built; SECURITY.md says so.
  it("runs nothing when it is installed", () => {
    for (const hook of ["preinstall", "install", "postinstall"]) {
      expect(Object.keys(packageJson.scripts)).not.toContain(hook);
    }
    expect(packageJson.gypfile).toBeUndefined();
  });

  it("has a reason written down for each dependency of its users", () => {
    const reasons = readFileSync(new URL("docs/dependencies.md", root), "utf8");
    for (const kind of ["dependencies", "peerDependencies"]) {
      for (const name of Object.keys(packageJson[kind])) {
        expect(reasons).toContain(`| \`${name}\` |`);
      }
    }
  });

  it("installs nothing that runs something when it is installed", () => {
    const { packages } = JSON.parse(readFileSync(new URL("package-lock.json", root), "utf8"));
    const scripted = Object.entries<{ dev?: true; optional?: true; hasInstallScript?: true }>(
      packages,
    )
      .filter(([, { hasInstallScript, dev }]) => hasInstallScript === true && dev !== true)
      .map(([name]) => name);
    expect(scripted).toEqual([]);
  });
});
