import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it, onTestFinished } from "vitest";
import { startAuthorizationService } from "../support/authorization-service.js";
import { blocksOf, root } from "../support/programs.js";

const run = promisify(execFile);

it("the program of docs/future.md deletes an authorization, and recognizes one that did not exist", async () => {
  const folder = join(root, ".cache", "future");
  await mkdir(folder, { recursive: true });
  const [block] = blocksOf("docs/future.md").filter(({ language }) => language === "ts");
  await writeFile(join(folder, "delete.mts"), block?.code ?? "");
  const { baseUrl, token, authorizations, close } = await startAuthorizationService();
  onTestFinished(close);
  const program = async (env: Record<string, string>) => {
    const { stdout } = await run(process.execPath, ["delete.mts"], {
      cwd: folder,
      env: { ZITADEL_URL: baseUrl, ZITADEL_TOKEN: token, GRANT_ID: "1", ...env },
    });
    return stdout;
  };
  expect(await program({})).toBe("1 is deleted\n");
  expect([...authorizations]).toEqual(["2"]);
  expect(await program({})).toBe("1 did not exist\n");
  expect(await program({ ZITADEL_TOKEN: "another" })).toBe("auth header missing\n");
});
