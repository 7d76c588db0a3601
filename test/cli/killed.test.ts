import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, it } from "vitest";
import { seed } from "../support/seed.js";
import { killAndResume } from "./killed.js";

const directory = mkdtempSync(join(tmpdir(), "killed-"));
afterAll(() => rmSync(directory, { recursive: true }));

describe("a run that is killed and resumed", () => {
  it(
    `loses no id and decides none twice, in two runs (seed ${seed})`,
    () => killAndResume(directory, seed, 2),
    60_000,
  );
});
