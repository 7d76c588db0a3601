import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Most of their time these wait, for grants that reappear, processes and browsers: what starts first ends first. */
const waiting = ["cli/effect", "cli/story", "cli/restore-killed", "browser/sign-in-tabs"];

class LongFilesFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) =>
      waiting.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`)) + 1 ||
      waiting.length + 1;
    return (await super.sort(files)).sort((a, b) => place(a) - place(b));
  }
}

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/runtimes/**", "test/consumers/**", "test/bundlers/**", "**/node_modules/**"],
    testTimeout: 20_000,
    // One second, the default, is short for a loaded machine.
    expect: { poll: { timeout: 15_000 } },
    hookTimeout: 60_000,
    // A third of the time would go into starting a process for each file and loading the sources there.
    isolate: false,
    unstubEnvs: true,
    unstubGlobals: true,
    restoreMocks: true,
    sequence: { sequencer: LongFilesFirst },
    // More than cores: the tests wait for sockets, processes and browsers half of the time.
    maxWorkers: Math.max(3, availableParallelism() - 1),
  },
});
