import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type SandboxServer, startSandbox } from "../src/sandbox/index.js";
import { openChromium, type SimpleBrowser } from "./support/browsers.js";
import { serveFolder } from "./support/http-server.js";
import { useProject } from "./support/project.js";

const bundlers = ["esbuild", "rollup", "vite", "webpack", "rspack"];

const packages = {
  "@rollup/plugin-node-resolve": "^16",
  "@rspack/core": "^2.3.2",
  esbuild: "^0.28.2",
  rollup: "^4.68.7",
  vite: "^8.3.8",
  webpack: "^5.112.2",
};

/** One for all bundlers: they do not see each other. */
const project = useProject(new URL("bundlers/plain/", import.meta.url), packages);
let sandbox: SandboxServer;
let browser: SimpleBrowser;
beforeAll(async () => {
  [sandbox, browser] = await Promise.all([startSandbox(), openChromium()]);
});
afterAll(() => Promise.all([sandbox?.close(), browser?.close()]));

/** What the program is told; its grant is gone once it has run. */
function order(): string {
  const { baseUrl, token, orgId } = sandbox;
  return JSON.stringify({ baseUrl, token, orgId, grantId: sandbox.addGrant().grantId });
}

const page = { protocol: "gRPC-web", id: "COMMAND-1My0t" };
const server = { protocol: "gRPC", id: "COMMAND-1My0t" };

describe.each(bundlers)("%s", (bundler) => {
  beforeAll(async () => {
    await project().run("node", ["build.js", bundler, "page"]);
    await project().run("node", ["build.js", bundler, "server"]);
  });

  it("builds a page that uses gRPC-web", async () => {
    const folder = join(project().folder, "out", bundler, "page");
    const html = '<!doctype html><script type="module" src="/out.js"></script>';
    await browser.goto(await serveFolder(folder, html));
    expect(JSON.parse(await browser.evaluate(`run(${order()})`))).toEqual(page);
  });

  it("builds a server that uses native gRPC", async () => {
    const folder = `out/${bundler}/server`;
    const [program = ""] = (await readdir(join(project().folder, folder))).filter((file) =>
      /^out\.c?js$/.test(file),
    );
    const output = await project().run("node", [`${folder}/${program}`, order()]);
    expect(JSON.parse(output)).toEqual(server);
  });

  it("puts no code for Node, and nothing that is not called, into the page", async () => {
    const { text, maps } = await readOutput(join(project().folder, "out", bundler, "page"));
    expect(/["'`]node:|\brequire\(|process\.version/.exec(text)).toBeNull();
    const unwanted =
      /zitadel-user-grants\/\w+\/(?:auth|bulk|cli|sandbox)\/|transports\/(?:grpc\/|json)|jose|oauth4webapi/;
    expect(maps.flatMap(({ sources }) => sources).filter((file) => unwanted.test(file))).toEqual(
      [],
    );
  });

  it("builds source maps that refer to the package's own files", async () => {
    for (const side of ["page", "server"]) {
      const { maps } = await readOutput(join(project().folder, "out", bundler, side));
      const ours = maps.flatMap(({ sources, sourcesContent }) =>
        sources
          .map((file, index) => ({ file, text: sourcesContent[index] }))
          .filter(({ file }) => file.includes("zitadel-user-grants/dist/")),
      );
      expect(ours.length).toBeGreaterThan(10);
      for (const { file, text } of ours) {
        expect(text, file).toMatch(/import |export /);
      }
    }
  });
});

interface SourceMap {
  sources: string[];
  sourcesContent: string[];
}

/** All JavaScript of a folder, and its source maps. */
async function readOutput(folder: string): Promise<{ text: string; maps: SourceMap[] }> {
  const files = (await readdir(folder, { recursive: true })).map((file) => join(folder, file));
  const read = (ending: RegExp) =>
    Promise.all(files.filter((file) => ending.test(file)).map((file) => readFile(file, "utf8")));
  return {
    text: (await read(/\.c?js$/)).join("\n"),
    maps: (await read(/\.c?js\.map$/)).map((text) => JSON.parse(text) as SourceMap),
  };
}
