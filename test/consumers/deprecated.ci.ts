import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { installProject, type Project } from "../support/project.js";

let project: Project;
beforeAll(async () => {
  project = await installProject(new URL("deprecated/", import.meta.url));
  const surface = new URL("../types/surface.ts", import.meta.url);
  await copyFile(surface, join(project.folder, "surface.ts"));
});
afterAll(() => project?.remove());

it("nothing of this package is deprecated to a strict typescript-eslint project", async () => {
  await project.run("eslint", ["--max-warnings=0", "use.ts", "surface.ts"]);
});

it("the rule finds what is deprecated", async () => {
  await expect(project.run("eslint", ["deprecated.ts"])).rejects.toThrow("no-deprecated");
});
