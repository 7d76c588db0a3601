import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, it } from "vitest";
import { seed } from "../support/seed.js";
import { killAndRestore } from "./restore-killed.js";

const directory = mkdtempSync(join(tmpdir(), "restore-killed-"));
afterAll(() => rmSync(directory, { recursive: true }));

describe.concurrent.each(["v4", "v2.70"] as const)("a restore that is killed, %s", (generation) => {
  it(
    `adds nothing twice, and nothing more than was recorded, 30 times (seed ${seed})`,
    () => killAndRestore(directory, generation, seed, 30),
    600_000,
  );
});
