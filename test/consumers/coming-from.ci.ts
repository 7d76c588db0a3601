import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type SandboxServer, startSandbox } from "../../src/sandbox/index.js";
import { useProject } from "../support/project.js";

const page = await readFile(new URL("../../docs/coming-from.md", import.meta.url), "utf8");

/** The programs of the page, by the comment in their first line. */
const programs = new Map(
  [...page.matchAll(/```js\n\/\/ (.+)\n([\s\S]*?)```/g)].map(([, name = "", code = ""]) => [
    name,
    code,
  ]),
);

let sandbox: SandboxServer;
let keyFile: string;
const project = useProject(undefined, {
  "@zitadel/client": "1.3.1",
  "@zitadel/node": "3.0.28",
  "nice-grpc": "^2",
});
beforeAll(async () => {
  sandbox = await startSandbox();
  keyFile = join(project().folder, "key.json");
  await writeFile(keyFile, JSON.stringify(sandbox.addKey()));
});
afterAll(() => sandbox?.close());

/** Runs a program of the page for a grant of its own; returns what it printed and the grant's state. */
async function runProgram(name: string): Promise<{ output: string; state: string }> {
  const code = programs.get(name);
  if (code === undefined) {
    throw new Error(`docs/coming-from.md has no program "${name}"`);
  }
  const { userId, grantId } = sandbox.addGrant();
  await writeFile(join(project().folder, "program.js"), code);
  const output = await project().run("node", ["program.js"], {
    env: {
      ZITADEL_URL: sandbox.baseUrl,
      ZITADEL_TOKEN: sandbox.token,
      ZITADEL_ORG_ID: sandbox.orgId,
      ZITADEL_KEY_FILE: keyFile,
      USER_ID: userId,
      GRANT_ID: grantId,
    },
  });
  return { output: output.trim(), state: sandbox.grant(grantId)?.state ?? "gone" };
}

describe.each(["@zitadel/client", "@zitadel/node"])("a program moved from %s", (origin) => {
  it("removes the same, and reports more about grants that are gone", async () => {
    expect(await runProgram(origin)).toEqual({
      output: "not found: gone, no permission or the wrong host",
      state: "gone",
    });
    expect(await runProgram(`zitadel-user-grants, in place of ${origin}`)).toEqual({
      output: "gone",
      state: "gone",
    });
  });
});

it.each(["@zitadel/node with a key file", "zitadel-user-grants with a key file"])(
  "%s deactivates the grant",
  async (name) => {
    expect(await runProgram(name)).toEqual({ output: "inactive", state: "inactive" });
  },
);
