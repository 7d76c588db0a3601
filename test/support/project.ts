import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, inject } from "vitest";

const exec = promisify(execFile);

/** A project of its own, outside of this repository, so that nothing resolves into it by accident. */
export interface Project {
  readonly folder: string;
  /**
   * Runs a command in it, its own `node_modules/.bin` first on the PATH, and returns what it wrote to
   * stdout. Fails with all output when it exits with another code than 0 or takes too long.
   */
  run(command: string, args?: string[], options?: RunOptions): Promise<string>;
  remove(): Promise<void>;
}

export interface RunOptions {
  env?: Record<string, string>;
  /** Milliseconds. Default 120000. */
  timeoutMs?: number;
}

/**
 * Makes a project from a folder's files, with the packed package installed next to whatever else its
 * package.json names.
 */
export async function installProject(
  source: string | URL | undefined,
  dependencies: Record<string, string> = {},
): Promise<Project> {
  const folder = await mkdtemp(join(tmpdir(), "zitadel-user-grants-project-"));
  const project: Project = {
    folder,
    run: (command, args = [], options = {}) => runIn(folder, command, args, options),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
  try {
    if (source !== undefined) {
      await cp(source, folder, { recursive: true });
    }
    const file = join(folder, "package.json");
    const manifest = JSON.parse(
      await readFile(file, "utf8").catch(() => '{ "private": true, "type": "module" }'),
    );
    manifest.dependencies = {
      ...manifest.dependencies,
      ...dependencies,
      "zitadel-user-grants": `file:${inject("tarball")}`,
    };
    await writeFile(file, JSON.stringify(manifest, null, 2));
    await project.run("npm", ["install", "--prefer-offline", "--no-audit", "--no-fund"], {
      timeoutMs: 280_000,
    });
  } catch (error) {
    await project.remove();
    throw error;
  }
  return project;
}

/** A project for the tests of a block, as `installProject` makes it. */
export function useProject(
  source: string | URL | undefined,
  dependencies: Record<string, string> = {},
): () => Project {
  let project: Project | undefined;
  beforeAll(async () => {
    project = await installProject(source, dependencies);
  });
  afterAll(() => project?.remove());
  return () => {
    if (project === undefined) {
      throw new Error("the project is not installed yet");
    }
    return project;
  };
}

/** Runs a command in a folder, as `Project.run` does. */
export async function runIn(
  folder: string,
  command: string,
  args: string[],
  { env, timeoutMs = 120_000 }: RunOptions = {},
): Promise<string> {
  try {
    const { stdout } = await exec(command, args, {
      cwd: folder,
      timeout: timeoutMs,
      killSignal: "SIGKILL",
      maxBuffer: 64 * 1024 * 1024,
      env: {
        ...withoutNpm(process.env),
        ...env,
        PATH: [join(folder, "node_modules", ".bin"), process.env.PATH].join(delimiter),
      },
    });
    return stdout;
  } catch (error) {
    const { stdout = "", stderr = "", killed } = error as Record<string, string>;
    const how = killed ? `was not done after ${timeoutMs} ms` : "failed";
    throw new Error(`${command} ${args.join(" ")} ${how}\n${stdout}\n${stderr}`);
  }
}

/** The environment without what `npm run` puts into it about this package. */
function withoutNpm(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(env).filter(
      ([name]) =>
        name !== "NODE_OPTIONS" &&
        !/^npm_(?!config_(?:registry|cache|userconfig)$)|^VITEST|^NODE_ENV$/i.test(name),
    ),
  );
}
