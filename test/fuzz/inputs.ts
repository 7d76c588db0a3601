import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import fc from "fast-check";
import { createClientCredentials } from "../../src/auth/service-user.js";
import { createManagementClient as createJsonClient } from "../../src/json.js";
import { startSandbox } from "../../src/sandbox/index.js";
import { run } from "../cli/run.js";
import { readRecordings } from "../replay/recordings.js";
import { FakeEnvironment } from "../support/fake-environment.js";
import { mutate, mutations } from "./mutations.js";
import { count, countEnding, type Tally } from "./tally.js";

const statuses = fc.constantFrom(200, 200, 200, 201, 400, 401, 403, 404, 429, 500, 503);
const contentTypes = fc.constantFrom(
  "application/json",
  "application/json; charset=utf-8",
  "text/html",
  "application/problem+json",
  "",
);

/** Any JSON as a response over that protocol: only an object without an error is a success. */
export async function fuzzJsonBodies(numRuns: number, seed: number): Promise<Tally> {
  const tally: Tally = {};
  let current = new Response();
  const client = createJsonClient({ baseUrl: "http://localhost", fetch: async () => current });
  const body = fc.oneof(
    fc.jsonValue(),
    fc.record({ code: fc.anything(), message: fc.anything(), details: fc.jsonValue() }),
    fc.record({ details: fc.jsonValue() }),
    fc.record({ details: fc.record({ sequence: fc.anything(), changeDate: fc.string() }) }),
  );
  const property = fc.asyncProperty(body, statuses, contentTypes, async (value, status, type) => {
    let text: string;
    try {
      text = JSON.stringify(value) ?? "";
    } catch {
      text = "";
    }
    current = new Response(text, { status, headers: { "content-type": type } });
    const call = client.deactivateUserGrant({ userId: "1", grantId: "2" });
    if ((await countEnding(tally, call)) !== undefined) {
      return;
    }
    const parsed: unknown = JSON.parse(text);
    if (status > 299 || !/json/.test(type) || !isPlainObject(parsed)) {
      throw new Error(`taken for a success: ${status} ${type} ${text}`);
    }
  });
  await fc.assert(property, { numRuns, seed, endOnFailure: true });
  return tally;
}

function isPlainObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Anything as a response of the token endpoint: a token comes out only if it was in there. */
export async function fuzzOAuthResponses(numRuns: number, seed: number): Promise<Tally> {
  const clientSecret = "s3cret-of-the-client";
  const recorded = readRecordings("oauth").map(([, { response }]) =>
    response.body.replace("<opaque token>", "opaque-token").replace(',"id_token":"<jwt>"', ""),
  );
  const text = fc.oneof(
    fc
      .tuple(fc.constantFrom(...recorded), mutations)
      .map(([body, changes]) => mutate(Buffer.from(body), changes).toString("latin1")),
    fc.json(),
    fc
      .record(
        {
          access_token: fc.oneof(fc.constant("opaque-token"), fc.string(), fc.jsonValue()),
          token_type: fc.oneof(fc.constantFrom("Bearer", "bearer", "DPoP"), fc.jsonValue()),
          expires_in: fc.oneof(fc.constant(43199), fc.integer(), fc.double(), fc.jsonValue()),
        },
        { requiredKeys: [] },
      )
      .map((value) => JSON.stringify(value)),
    fc
      .record({ error: fc.jsonValue(), error_description: fc.jsonValue() })
      .map((value) => JSON.stringify(value)),
  );
  const tally: Tally = {};
  const issuer = "https://issuer.example";
  const isDiscovery = fc.constantFrom(false, false, false, true);
  const property = fc.asyncProperty(
    text,
    statuses,
    contentTypes,
    isDiscovery,
    async (body, status, type, hitsDiscovery) => {
      const environment = new FakeEnvironment();
      const respond = () => new Response(body, { status, headers: { "content-type": type } });
      const fetch = async (input: string | URL | Request) =>
        String(input).includes("/.well-known/") !== hitsDiscovery
          ? Response.json(
              hitsDiscovery
                ? { access_token: "issued", token_type: "Bearer", expires_in: 1 }
                : { issuer, token_endpoint: `${issuer}/oauth/v2/token` },
            )
          : respond();
      const source = createClientCredentials(
        { issuer, clientId: "program", clientSecret, fetch: fetch as typeof globalThis.fetch },
        environment,
      );
      const outcome = Promise.resolve(source()).then(
        (token) => ({ token }),
        (error: unknown) => ({ error }),
      );
      let settled = false;
      void outcome.then(() => {
        settled = true;
      });
      for (let step = 0; step < 40 && !settled; step++) {
        await environment.advance(1_000);
      }
      if (!settled) {
        throw new Error(`no outcome in 40 s for ${status} ${body}`);
      }
      const result = await outcome;
      if ("token" in result) {
        count(tally, "token");
        if (!hitsDiscovery && JSON.parse(body).access_token !== result.token) {
          throw new Error(`a token out of nowhere: ${result.token} from ${body}`);
        }
        return;
      }
      await countEnding(tally, Promise.reject(result.error));
      if (inspect(result.error, { depth: 10 }).includes(clientSecret)) {
        throw new Error("the secret is in the error");
      }
    },
  );
  await fc.assert(property, { numRuns, seed, endOnFailure: true });
  return tally;
}

/** Any words on the command line and anything on standard input: an exit code, and no stack trace. */
export async function fuzzCommandLine(numRuns: number, seed: number): Promise<Tally> {
  const sandbox = await startSandbox();
  const known = sandbox.addGrant();
  const word = fc.oneof(
    fc.constantFrom(
      ...["remove", "deactivate", "doctor", "--help", "-h", "--version", "--yes", "--json"],
      ...["--dry-run", "--quiet", "--file", "-", "--format", "csv", "json", "--column", "x"],
      ...["--rate", "0", "-1", "9999999999", "1.5", "NaN", "--concurrency"],
      ...["--org", "--protocol", "grpc-web", "--token-file", "/dev/null", "--key-file", "/"],
      ...["--log=/nonexistent/log", "--", "--allow-insecure", "--__proto__", "=", ""],
      known.grantId,
      `${known.userId} ${known.grantId}`,
    ),
    fc
      .string({ unit: "binary", maxLength: 30 })
      .filter((text) => !/sandbox|url|give-up/.test(text)),
  );
  const input = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(fc.oneof(fc.stringMatching(/^\d{1,20}$/), fc.string())).map((ids) => ids.join("\n")),
    fc.json(),
    fc.constant(`\ufeffuserId,grantId\r\n${known.userId},${known.grantId}\r\n"unclosed`),
  );
  const first = fc.constantFrom("remove", "remove", "deactivate", "doctor", "", "nonsense");
  const tally: Tally = {};
  const property = fc.asyncProperty(
    first,
    fc.boolean(),
    fc.array(word, { maxLength: 6 }),
    input,
    async (command, yes, words, stdin) => {
      const env = {
        ZITADEL_URL: sandbox.baseUrl,
        ZITADEL_TOKEN: sandbox.token,
        ZITADEL_ORG_ID: sandbox.orgId,
      };
      const { exitCode, stdout, stderr } = await run(
        [command, ...(yes ? ["--yes"] : []), ...words],
        { env, stdin },
      );
      count(tally, `exit ${exitCode}`);
      if (![0, 1, 2, 3, 4].includes(exitCode)) {
        throw new Error(`exit code ${exitCode}`);
      }
      if (/^ {4}at |TypeError|\[object Object\]/m.test(stderr)) {
        throw new Error(`an error for programmers: ${stderr}`);
      }
      if ((stdout + stderr).includes(sandbox.token)) {
        throw new Error("the token is in the output");
      }
    },
  );
  // Runs write their logs into the working directory.
  const workingDirectory = process.cwd();
  const directory = mkdtempSync(join(tmpdir(), "command-lines-"));
  process.chdir(directory);
  try {
    await fc.assert(property, { numRuns, seed, endOnFailure: true });
  } finally {
    process.chdir(workingDirectory);
    rmSync(directory, { recursive: true });
    await sandbox.close();
  }
  return tally;
}
