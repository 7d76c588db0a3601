import { copyFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { useProject } from "../support/project.js";

const programs = new URL("tarball/", import.meta.url);

const outcome = {
  state: "inactive",
  ofOrg: true,
  removed: true,
  code: "NotFound",
  id: "COMMAND-1My0t",
  isGrantNotFound: true,
};

describe("the tarball in an empty project", () => {
  const project = useProject(programs);

  it("is at most 7.5 MB and 8 packages, with its peers", async () => {
    const [kilobytes] = (await project().run("du", ["-sk", "node_modules"])).split("\t");
    const packages = (await project().run("npm", ["ls", "--all", "--parseable"]))
      .trim()
      .split("\n");
    console.log(`node_modules: ${kilobytes} KiB, ${packages.length - 1} packages`);
    expect(Number(kilobytes) * 1024).toBeLessThanOrEqual(7_500_000);
    // The first line is the project itself.
    expect(packages.length - 1).toBeLessThanOrEqual(8);
  });

  it("brings its command", async () => {
    expect(await project().run("zitadel-user-grants", ["--help"])).toMatch(/^Usage: /m);
  });

  it("loads by require() as it loads by import, every entry", async () => {
    const imported = await project().run("node", ["entries.js"]);
    expect(imported).toMatch(/^zitadel-user-grants \d+$/m);
    expect(await project().run("node", ["entries.cjs"])).toBe(imported);
  });

  it("makes calls after require()", async () => {
    expect(JSON.parse(await project().run("node", ["call.cjs"]))).toEqual(outcome);
  });
});

const compilers = {
  "typescript-5.8": "npm:typescript@~5.8.3",
  "typescript-5.9": "npm:typescript@~5.9.3",
  "typescript-6": "npm:typescript@^6.0.3",
  "typescript-7": "npm:typescript@^7.0.2",
};

const resolutions = {
  nodenext: { module: "nodenext", moduleResolution: "nodenext" },
  node16: { module: "node16", moduleResolution: "node16" },
  bundler: { module: "esnext", moduleResolution: "bundler" },
};

describe("the tarball in a TypeScript project", () => {
  const project = useProject(programs, { ...compilers, "@types/node": "^24" });
  beforeAll(async () => {
    const surface = new URL("../types/surface.ts", import.meta.url);
    await copyFile(surface, join(project().folder, "surface.ts"));
  });

  const compile = async (compiler: string, name: string, options: object, files: string[]) => {
    const config = {
      compilerOptions: {
        target: "es2022",
        strict: true,
        skipLibCheck: false,
        exactOptionalPropertyTypes: true,
        outDir: `out/${name}`,
        rootDir: ".",
        ...options,
      },
      files,
    };
    await writeFile(join(project().folder, `tsconfig.${name}.json`), JSON.stringify(config));
    await project().run("node", [
      `node_modules/${compiler}/bin/tsc`,
      "-p",
      `tsconfig.${name}.json`,
    ]);
    return `out/${name}`;
  };

  const node = { lib: ["es2022", "esnext.disposable"], types: ["node"] };
  const browser = { lib: ["es2022", "esnext.disposable", "dom", "dom.iterable"], types: [] };

  describe.each(Object.keys(compilers))("with %s", (compiler) => {
    it.each(Object.entries(resolutions))(
      "compiles with %s from ES modules, without DOM types, and makes calls",
      async (name, resolution) => {
        const out = await compile(compiler, `${compiler}-${name}`, { ...node, ...resolution }, [
          "call.ts",
          "surface.ts",
          "headers-init.d.ts",
        ]);
        expect(JSON.parse(await project().run("node", [`${out}/call.js`]))).toEqual(outcome);
      },
    );

    it("compiles with nodenext from CommonJS, and makes calls", async () => {
      const options = { ...node, ...resolutions.nodenext };
      await copyFile(join(project().folder, "call.ts"), join(project().folder, "call.cts"));
      const out = await compile(compiler, `${compiler}-cjs`, options, [
        "call.cts",
        "headers-init.d.ts",
      ]);
      expect(JSON.parse(await project().run("node", [`${out}/call.cjs`]))).toEqual(outcome);
    });

    it("compiles for a page, without types of Node", async () => {
      const options = { ...browser, ...resolutions.bundler };
      await compile(compiler, `${compiler}-page`, options, ["page.ts", "surface.ts"]);
    });
  });
});
