import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** These take longest, and wait most of the time, for browsers and processes. */
const waiting = ["browser/sign-in-tabs", "cli/story", "cli/restore-killed", "docs/programs"];

class WaitingFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const waits = ({ moduleId }: TestSpecification) =>
      waiting.some((name) => moduleId.endsWith(`/test/${name}.test.ts`));
    return [...sorted.filter(waits), ...sorted.filter((file) => !waits(file))];
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
    // A fifth of the processor's time would go into a process for each file, and loading the sources there.
    isolate: false,
    setupFiles: ["test/support/clean.ts"],
    sequence: { sequencer: WaitingFirst },
    // More than cores: the tests wait for sockets, processes and browsers half of the time.
    maxWorkers: Math.max(3, availableParallelism() - 1),
  },
});
