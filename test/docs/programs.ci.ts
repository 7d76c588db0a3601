import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type SandboxServer, startSandbox } from "../../src/sandbox/index.js";
import { blocksOf, environmentFor, fileOf } from "../support/programs.js";
import { useProject } from "../support/project.js";

const programs = blocksOf("README.md").filter(({ language }) => language === "ts");

describe.each(["22", "24", "26"])(
  "the README's programs, pasted into a project with Node %s",
  (version) => {
    let sandbox: SandboxServer;
    // What README says to install: the package, its peers, and @zitadel/proto for the lists.
    const project = useProject(undefined, {
      "@connectrpc/connect": "^2.3.0",
      "@bufbuild/protobuf": "^2.17.0",
      "@zitadel/proto": "^1.3.1",
      node: `^${version}`,
    });
    beforeAll(async () => {
      sandbox = await startSandbox();
      for (const block of programs) {
        await writeFile(join(project().folder, fileOf(block)), block.code);
      }
    });
    afterAll(() => sandbox?.close());

    it.each(programs)("$place", async (block) => {
      const { env } = await environmentFor(block, sandbox, project().folder);
      expect(await project().run("node", [fileOf(block)], { env, timeoutMs: 30_000 })).toMatch(
        /\S/,
      );
    });
  },
);
