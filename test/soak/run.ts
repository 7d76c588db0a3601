// The soak: calls over all protocols, bulk work and token renewals for SOAK_MINUTES (10), while the server
// restarts, resets, stalls, loses responses and ends calls by its own clock at random. Needs the built package and `node --expose-gc`. It prints one
// line and ends with 0 when every call settled, what each said agrees with the server, and memory and
// handles are flat.
import { fork } from "node:child_process";
import { getEventListeners } from "node:events";
import { figuresIn } from "../support/figures.ts";
import type { Hello, Question, Trouble } from "./server.ts";

const load = (entry: string) => import(new URL(`../../dist/${entry}.js`, import.meta.url).href);
const grpc = (await load("grpc")) as typeof import("../../src/grpc.js");
const grpcWeb = (await load("grpc-web.node")) as typeof import("../../src/grpc-web.node.js");
const json = (await load("json")) as typeof import("../../src/json.js");
const { clientCredentials } = (await load(
  "auth/index",
)) as typeof import("../../src/auth/index.js");
const { removeUserGrants } = (await load("bulk/index")) as typeof import("../../src/bulk/index.js");
const { Code, ConnectError } = await import("@connectrpc/connect");

const minutes = Number(process.env.SOAK_MINUTES ?? 10);
const endsAtMs = performance.now() + minutes * 60_000;
const timeoutMs = 3_000;
const violations: string[] = [];
const violation = (text: string) => {
  if (violations.push(text) <= 20) {
    console.error(`soak: ${text}`);
  }
};
process.on("unhandledRejection", (reason) => violation(`unhandled rejection: ${String(reason)}`));
process.on("uncaughtException", (error) => violation(`uncaught exception: ${error.stack}`));
process.on("warning", (warning) => violation(`warning: ${warning.message}`));

const child = fork(new URL("./server.ts", import.meta.url), { stdio: "inherit" });
const waiting = new Map<number, (value: unknown) => void>();
let questions = 0;
const hello = await new Promise<Hello>((resolve) => child.once("message", resolve as never));
child.on("message", ({ id, value }: { id: number; value: unknown }) => {
  waiting.get(id)?.(value);
  waiting.delete(id);
});
type Asked = Question extends infer Q ? (Q extends Question ? Omit<Q, "id"> : never) : never;
function ask<T>(question: Asked): Promise<T> {
  return new Promise((resolve) => {
    const id = ++questions;
    waiting.set(id, resolve as (value: unknown) => void);
    child.send({ ...question, id });
  });
}
type Grant = { userId: string; grantId: string };

const { baseUrl, orgId, clientId, clientSecret } = hello;
// One signal for every call there is: a listener that stays behind shows.
const { signal } = new AbortController();
const clients = Object.entries({ grpc, "grpc-web": grpcWeb, json }).map(([protocol, entry]) => ({
  protocol,
  client: entry.createManagementClient({
    baseUrl,
    orgId,
    token: clientCredentials({ issuer: baseUrl, clientId, clientSecret }),
    retry: { initialBackoffMs: 50, maxTokens: 1000 },
  }),
}));

const counts: Record<string, number> = {};
const count = (name: string) => {
  counts[name] = (counts[name] ?? 0) + 1;
};
/** What may come of a call whose server is away. Anything else would be a wrong report. */
const expected = new Set([Code.Unavailable, Code.DeadlineExceeded]);

/** A call settles soon after its deadline, whatever happens. */
async function settled<T>(what: string, limitMs: number, call: Promise<T>): Promise<T> {
  const watchdog = setTimeout(() => violation(`${what} has not settled`), limitMs);
  try {
    return await call;
  } finally {
    clearTimeout(watchdog);
  }
}

async function callOne(
  { protocol, client }: (typeof clients)[number],
  grant: Grant,
  removes: boolean,
): Promise<void> {
  const what = `${removes ? "removal" : "deactivation"} over ${protocol}`;
  let ending = "OK";
  let detail: string | undefined;
  try {
    const options = { timeoutMs, signal };
    const call: Promise<unknown> = removes
      ? client.bulkRemoveUserGrant({ grantId: [grant.grantId] }, options)
      : client.deactivateUserGrant(grant, options);
    await settled(what, timeoutMs + 2_000, call);
  } catch (error) {
    if (!(error instanceof ConnectError)) {
      violation(`${what} threw ${String(error)}`);
      return;
    }
    ending = Code[error.code];
    detail = error.message;
    if (!expected.has(error.code)) {
      violation(`${what} ended as ${error.message}`);
    }
  }
  count(`${protocol} ${ending}`);
  const [state] = await ask<string[]>({ ask: "states", grantIds: [grant.grantId] });
  const done = removes ? "gone" : "inactive";
  if (ending === "OK" && state !== done) {
    violation(`${what} got OK, and the server says ${state}`);
  }
  if (state !== done && state !== "active") {
    violation(`${what} ended as ${detail}, and the server says ${state}`);
  }
}

async function workOnCalls(one: (typeof clients)[number]): Promise<void> {
  while (performance.now() < endsAtMs) {
    const grants = await ask<Grant[]>({ ask: "add", count: 50 });
    for (const [index, grant] of grants.entries()) {
      if (performance.now() >= endsAtMs) {
        return;
      }
      await callOne(one, grant, index % 2 === 0);
      // The soak lasts by its time, not by its load: other checks run beside it.
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
  }
}

async function workOnBulk({ protocol, client }: (typeof clients)[number]): Promise<void> {
  while (performance.now() < endsAtMs) {
    const grants = await ask<Grant[]>({ ask: "add", count: 300 });
    const ids = grants.map(({ grantId }) => grantId);
    const seen = new Set<string>();
    const run = (async () => {
      for await (const { grantId, status, answerLost, error } of removeUserGrants(client, ids, {
        batchSize: 20,
        timeoutMs,
      })) {
        seen.add(grantId);
        const ending = `${status}${answerLost === true ? ", response lost" : ""}`;
        count(`bulk over ${protocol}: ${ending}`);
        const [state] = await ask<string[]>({ ask: "states", grantIds: [grantId] });
        const mayBeGone = status === "removed" || answerLost === true;
        if ((status === "removed" && state !== "gone") || (!mayBeGone && state === "gone")) {
          violation(`bulk said ${ending} (${error?.message}), and the server says ${state}`);
        }
        if (status === "not-found" && answerLost !== true) {
          violation("bulk said not-found of a grant that was there");
        }
      }
    })();
    try {
      await settled(`a bulk run over ${protocol}`, 120_000, run);
    } catch (error) {
      violation(`a bulk run over ${protocol} threw ${String(error)}`);
    }
    if (seen.size !== ids.length) {
      violation(`bulk gave ${seen.size} outcomes for ${ids.length} grants`);
    }
    await new Promise((resolve) => setTimeout(resolve, 1_500));
  }
}

interface Sample {
  heapMb: number;
  rssMb: number;
  handles: number;
}
const samples: Sample[] = [];
function sample(): void {
  globalThis.gc?.();
  const { heapUsed, rss } = process.memoryUsage();
  const handles = process.getActiveResourcesInfo().length;
  samples.push({ heapMb: heapUsed / 2 ** 20, rssMb: rss / 2 ** 20, handles });
}
const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] ?? 0;

const sampler = setInterval(sample, Math.max(1_000, (minutes * 60_000) / 120));
await Promise.all(clients.flatMap((one) => [workOnCalls(one), workOnCalls(one), workOnBulk(one)]));
clearInterval(sampler);
const trouble = await ask<Trouble>({ ask: "trouble" });
for (const { client } of clients) {
  grpc.close(client);
}
child.disconnect();

// The first samples are of a program that still warms up.
const third = Math.ceil(samples.length / 3);
const early = samples.slice(third, 2 * third);
const late = samples.slice(-third);
const middle = (part: Sample[], of: keyof Sample) => median(part.map((one) => one[of]));
const growthMb = middle(late, "heapMb") - middle(early, "heapMb");
const handleGrowth = middle(late, "handles") - middle(early, "handles");
if (growthMb > 3) {
  violation(`memory grew by ${growthMb.toFixed(1)} MB`);
}
if (handleGrowth > 10) {
  violation(`${handleGrowth} more handles than before`);
}
const listeners = getEventListeners(signal, "abort").length;
if (listeners > 0) {
  violation(`${listeners} listeners stayed on the signal of all calls`);
}
const total = Object.values(counts).reduce((sum, one) => sum + one, 0);
const round = (value: number) => Math.round(value * 10) / 10;
const result = {
  minutes,
  outcomes: total,
  counts,
  trouble,
  heapMb: { early: round(middle(early, "heapMb")), late: round(middle(late, "heapMb")) },
  rssMb: { early: round(middle(early, "rssMb")), late: round(middle(late, "rssMb")) },
  handles: { early: middle(early, "handles"), late: middle(late, "handles") },
  listeners,
  violations: violations.length,
};
console.log(JSON.stringify(result));
const okay = violations.length === 0 && total > 0;
console.log(
  `soak: ${okay ? "ok" : "FAILED"}, ${total} outcomes in ${minutes} min through ${trouble.restarts} restarts, ${trouble.resets} resets, ${trouble.stalls} stalls, ${trouble.expiries} expiries of all tokens, ${trouble.lost} lost responses, ${trouble.late} errors of the server's own clock, ${trouble.limits} limits of 0 streams; heap ${result.heapMb.early} to ${result.heapMb.late} MB, handles ${result.handles.early} to ${result.handles.late}; ${violations.length} violations`,
);
const endings = Object.entries(counts)
  .sort(([a], [b]) => a.localeCompare(b))
  .map(([name, number]) => `| ${name} | ${number.toLocaleString("en")} |`);
figuresIn(
  "reliability",
  "soak",
  [
    `${minutes} minutes: ${total.toLocaleString("en")} outcomes through ${trouble.restarts} restarts, ${trouble.resets} resets, ${trouble.stalls} stalls, ${trouble.expiries} expiries of all tokens, ${trouble.lost} lost responses, ${trouble.late} errors of the server's own clock and ${trouble.limits} limits of 0 streams.`,
    `${violations.length} calls that did not settle, or said something else than the server; heap ${result.heapMb.early} MB early and ${result.heapMb.late} MB late, handles ${result.handles.early} and ${result.handles.late}, ${listeners} listeners left.`,
    "",
    "| outcome | times |",
    "|---|---|",
    ...endings,
  ].join("\n"),
);
process.exitCode = okay ? 0 : 1;
