import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach } from "vitest";
import {
  type SandboxOptions,
  type SandboxServer,
  startSandbox,
} from "../../../src/sandbox/index.js";
import { createImpatientEnvironment } from "../../support/fake-environment.js";
import { type Run, run, type Setting } from "../run.js";

/** What is not shown is waited for for ten seconds, which pass at once. */
const impatient = createImpatientEnvironment();

/** A sandbox for each test, a directory for all of them, and the command line against it. */
export function logHarness(options: SandboxOptions = {}) {
  const directory = mkdtempSync(join(tmpdir(), "cli-log-"));
  let sandbox: SandboxServer | undefined;
  let logs = 0;
  beforeEach(async () => {
    sandbox = await startSandbox(options);
  });
  afterEach(() => sandbox?.close());
  afterAll(() => rmSync(directory, { recursive: true }));
  const server = (): SandboxServer => {
    if (sandbox === undefined) {
      throw new Error("the sandbox is not there yet");
    }
    return sandbox;
  };
  const environment = () => ({
    ZITADEL_URL: server().baseUrl,
    ZITADEL_TOKEN: server().token,
    ZITADEL_ORG_ID: server().orgId,
  });
  const file = (name: string, content: string): string => {
    const path = join(directory, name);
    writeFileSync(path, content);
    return path;
  };
  const format = '{"log":"zitadel-user-grants","version":1}';
  return {
    directory,
    server,
    environment,
    file,
    newLog: () => join(directory, `run-${logs++}.jsonl`),
    cli: (argv: readonly string[], setting: Setting = {}): Promise<Run> =>
      run(argv, { environment: impatient, ...setting, env: setting.env ?? environment() }),
    add: (count: number) => Array.from({ length: count }, () => server().addGrant().grantId),
    entries: (path: string): Record<string, unknown>[] =>
      readFileSync(path, "utf8")
        .trim()
        .split("\n")
        .map((text) => JSON.parse(text)),
    /** A log that a run for these grants has begun. */
    begun(grants: readonly unknown[], ...lines: string[]): string {
      const head = {
        ...{ run: "started", at: "2026-11-24T08:00:00.000Z", command: "remove" },
        ...{ url: server().baseUrl, orgId: server().orgId, accountId: "1" },
      };
      return [format, JSON.stringify({ grants }), JSON.stringify(head), ...lines, ""].join("\n");
    },
  };
}
