import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startSandbox } from "../src/sandbox/index.js";
import { grantsNeeded, type Result, type Surroundings } from "./runtimes/surroundings.js";
import { makeCertificate } from "./support/certificates.js";
import { figuresIn, tableOf } from "./support/figures.js";
import { startGoingAway } from "./support/going-away.js";
import { installProject, type Project } from "./support/project.js";
import { startRelay } from "./support/relay.js";

/** How a program is run there, in a project where the runtimes are installed. */
const runtimes: Record<string, (modules: string) => [string, ...string[]]> = {
  "Node 22": (modules) => [join(modules, "node-22", "bin", "node"), "--no-warnings"],
  "Node 24": () => [process.execPath],
  "Node 26": (modules) => [join(modules, "node-26", "bin", "node")],
  Bun: (modules) => [join(modules, ".bin", "bun"), "run"],
  Deno: (modules) => [join(modules, ".bin", "deno"), "run", "--allow-all"],
  workerd: () => [process.execPath],
};

const packages = {
  bun: "~1.4.5",
  deno: "~2.9.6",
  esbuild: "^0.28.2",
  miniflare: "^4.20260730.0",
  "node-22": "npm:node@^22",
  "node-26": "npm:node@^26",
};

const protocols = { "native gRPC": "/grpc", "gRPC-web": "/grpc-web", JSON: "/json" };

/** Cells that a runtime cannot fill, and where that is followed up. */
const impossible: Record<string, string> = {
  "workerd native gRPC": "no: `http2.connect` is not implemented (cloudflare/workerd#3150)",
  "workerd startSandbox": "no: workers do not listen on ports (cloudflare/workerd#2217)",
};

const overlapping = "workerd, overlapping requests";

const found = new Map<string, string>();

describe("runtimes", () => {
  let project: Project;
  let authorityFile: string;
  let surroundings: (secure: boolean) => Surroundings;
  const stops: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    project = await installProject(new URL("runtimes/", import.meta.url), packages);
    const sandbox = await startSandbox();
    const { token, orgId } = sandbox;
    const key = JSON.stringify(sandbox.addKey());
    const slow = await startSandbox({ token, orgId, requestLatencyMs: 60_000 });
    const goingAway = await startGoingAway();
    const authority = makeCertificate({ name: "Private CA", isAuthority: true });
    authorityFile = join(project.folder, "authority.pem");
    await writeFile(authorityFile, authority.cert);
    const name = { name: "localhost", dnsNames: ["localhost"], issuer: authority };
    // `h2` for those that offer it: the sandbox behind takes both.
    const tlsOptions = { ...makeCertificate(name), ALPNProtocols: ["h2", "http/1.1"] };
    const [tls, slowTls] = await Promise.all(
      [sandbox, slow].map(({ baseUrl }) =>
        startRelay(Number(new URL(baseUrl).port), { tls: tlsOptions }),
      ),
    );
    stops.push(...[tls, slowTls].map((relay) => async () => relay?.shut()));
    stops.push(...[sandbox, slow, goingAway].map(({ close }) => close));
    surroundings = (secure) => ({
      baseUrl: secure ? tls!.baseUrl : sandbox.baseUrl,
      slowBaseUrl: secure ? slowTls!.baseUrl : slow.baseUrl,
      goingAwayBaseUrl: goingAway.baseUrl,
      serviceUser: { issuer: sandbox.baseUrl, key },
      token,
      orgId,
      // More than a connection of HTTP/2 carries at once.
      many: 300,
      grants: Array.from({ length: grantsNeeded({ many: 300 }) }, () => sandbox.addGrant()),
    });
  });
  afterAll(async () => {
    await Promise.all(stops.map((stop) => stop()));
    await project?.remove();
  });

  // The program has to end by itself, or it is killed and the cell fails.
  const run = (runtime: string, program: string[]): Promise<string> => {
    const [command = "", ...args] = runtimes[runtime]?.(join(project.folder, "node_modules")) ?? [];
    return project.run(command, [...args, ...program], {
      env: { NODE_EXTRA_CA_CERTS: authorityFile, DENO_CERT: authorityFile },
      timeoutMs: 60_000,
    });
  };

  const runSuite = async (runtime: string, entry: string, secure: boolean): Promise<Result[]> => {
    const { goingAwayBaseUrl, ...common } = surroundings(secure);
    const given = entry === "/grpc" ? { ...common, goingAwayBaseUrl } : common;
    const program = runtime === "workerd" ? "run-workerd.ts" : "run.ts";
    const args = [program, `zitadel-user-grants${entry}`, JSON.stringify(given)];
    return JSON.parse(await run(runtime, args));
  };

  const expectAllWell = (results: Result[]) => {
    expect(results.filter(({ error }) => error !== undefined)).toEqual([]);
    expect(results.length).toBeGreaterThan(7);
    return `yes (${results.length})`;
  };

  describe.each(Object.keys(runtimes))("%s", (runtime) => {
    const itRuns = (column: string, title: string, body: () => Promise<string>) => {
      const cell = `${runtime} ${column}`;
      it.skipIf(cell in impossible)(title, async () => {
        found.set(cell, await body());
      });
    };

    for (const [protocol, entry] of Object.entries(protocols)) {
      itRuns(protocol, `runs the suite over ${protocol}`, async () =>
        expectAllWell(await runSuite(runtime, entry, false)),
      );
    }

    itRuns("the main entry over TLS", "runs the suite by the main entry, over TLS", async () =>
      expectAllWell(await runSuite(runtime, "", true)),
    );

    itRuns("startSandbox", "starts the sandbox", async () => {
      const output = await run(runtime, ["sandbox.ts"]);
      expect(JSON.parse(output)).toEqual(Object.keys(protocols).map(() => "COMMAND-1My0t"));
      return "yes";
    });
  });

  // There, I/O is bound to the request that began it.
  describe.each(["gRPC-web", "JSON"] as const)("a worker over %s", (protocol) => {
    it.each(["serviceUser", "clientCredentials"])(
      "whose requests overlap and leave early gets tokens by %s",
      async (sourceName) => {
        const program = ["run-overlapping.ts", `zitadel-user-grants${protocols[protocol]}`];
        const results = JSON.parse(await run("workerd", [...program, sourceName]));
        expect(results.filter(({ error }: Result) => error !== undefined)).toEqual([]);
        const cell = `${overlapping} ${protocol}`;
        const count = Number(/\d+/.exec(found.get(cell) ?? "")?.[0] ?? 0) + results.length;
        found.set(cell, `yes (${count})`);
      },
    );
  });

  it("workerd still rejects native gRPC", async () => {
    const results = await runSuite("workerd", "/grpc", false);
    expect(results[0]?.error).toContain("The http2.connect method is not implemented");
  });

  it("are those of docs/runtimes.md", async () => {
    const columns = [...Object.keys(protocols), "the main entry over TLS", "startSandbox"];
    const rows = [...Object.keys(runtimes), overlapping].map((runtime) => [
      runtime,
      ...columns.map((column) => {
        const cell = `${runtime} ${column}`;
        return found.get(cell) ?? impossible[cell] ?? (runtime === overlapping ? "" : "failed");
      }),
    ]);
    const text = tableOf(["", ...columns], rows);
    expect(figuresIn("runtimes", "runtimes", text), "WRITE_FIGURES=1 writes it").toBe(text);
  });
});
