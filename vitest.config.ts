import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/runtimes/**", "test/consumers/**", "test/bundlers/**", "**/node_modules/**"],
    testTimeout: 20_000,
    // One second, the default, is short for a loaded machine.
    expect: { poll: { timeout: 15_000 } },
    hookTimeout: 60_000,
    // On two cores vitest would take one; the tests wait for sockets and browsers most of the time.
    maxWorkers: Math.max(2, availableParallelism() - 1),
  },
});
