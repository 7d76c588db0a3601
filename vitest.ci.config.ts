import { defineConfig } from "vitest/config";

// The slower matrices, which .ci/run adds to what `npm test` runs.
export default defineConfig({
  test: {
    include: ["test/**/*.ci.ts"],
    globalSetup: ["test/support/ci-setup.ts"],
    testTimeout: 300_000,
    // One second, the default, is short for a loaded machine.
    expect: { poll: { timeout: 15_000 } },
    hookTimeout: 300_000,
    fileParallelism: false,
  },
});
