import { Code, ConnectError } from "@connectrpc/connect";
import fc from "fast-check";
import { expect } from "vitest";
import { deactivateUserGrantsIn, type UserGrant } from "../../src/bulk/deactivate.js";
import type { Outcome } from "../../src/bulk/outcome.js";
import { removeUserGrantsIn } from "../../src/bulk/remove.js";
import { sleep } from "../../src/common/time.js";
import { FakeEnvironment } from "../support/fake-environment.js";
import { type Fate, type GrantState, ModelServer } from "./model-server.js";

/** Long enough for a request to be worked on after its deadline, and after others for its grants. */
const delayMs = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 20 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 60_000 }) },
);

/** Between the look-up and the write, where other requests for the same grants can be answered. */
const stallMs = fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, delayMs);

const lossCode = fc.constantFrom(
  Code.Unavailable,
  Code.Internal,
  Code.Unknown,
  Code.Canceled,
  Code.DeadlineExceeded,
  Code.Aborted,
);

const fate: fc.Arbitrary<Fate> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ lookUpAfterMs: delayMs, writeMs: stallMs, responseMs: delayMs }),
  },
  // Applied, then or later, and the response dropped.
  {
    weight: 3,
    arbitrary: fc.record({
      lookUpAfterMs: delayMs,
      writeMs: stallMs,
      failure: fc.record({ afterMs: delayMs, code: lossCode }),
    }),
  },
  // Dropped before it was applied.
  { weight: 1, arbitrary: fc.record({ failure: fc.record({ afterMs: delayMs, code: lossCode }) }) },
  // Throttled.
  {
    weight: 1,
    arbitrary: fc.record({
      failure: fc.record({
        afterMs: delayMs,
        code: fc.constantFrom(Code.ResourceExhausted, Code.Unavailable),
        notProcessed: fc.constant(true),
        retryAfter: fc.constantFrom("0", "1", "7"),
      }),
    }),
  },
  // Never heard of again.
  { weight: 1, arbitrary: fc.constant({}) },
);

export const scenario = fc.record({
  seed: fc.integer(),
  grants: fc.array(
    fc.record({
      state: fc.oneof(
        { weight: 8, arbitrary: fc.constant<GrantState | "unknown">("active") },
        {
          weight: 1,
          arbitrary: fc.constantFrom("unknown", "foreign", "failing", "hanging", "inactive"),
        },
      ),
      /** Comes again after so many others. */
      again: fc.option(fc.nat(30), { freq: 8 }),
    }),
    { maxLength: 60 },
  ),
  allUnknown: fc.oneof({ weight: 7, arbitrary: fc.constant(false) }, fc.constant(true)),
  batchSize: fc.integer({ min: 1, max: 12 }),
  concurrency: fc.integer({ min: 1, max: 5 }),
  maxPerSecond: fc.option(fc.constantFrom(2, 25, 500), { freq: 3, nil: undefined }),
  /** A client of this package waits for a token, and asks the gate. */
  tokenMs: fc.option(fc.nat(2000), { freq: 2, nil: undefined }),
  timeoutMs: fc.constantFrom(10, 1000, 30_000),
  giveUpMs: fc.constantFrom(2000, 300_000),
  fates: fc.infiniteStream(fate),
  calmness: fc.constantFrom(0, 0.5, 0.9, 1),
  revokedFrom: fc.option(fc.nat(20), { freq: 3 }),
  source: fc.constantFrom("array", "generator", "slow", "failing"),
  sourceFailsAt: fc.nat(60),
  consumer: fc.constantFrom("eager", "slow"),
  end: fc.oneof(
    { weight: 3, arbitrary: fc.constant({ kind: "none" as const, at: 0 }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constantFrom("break", "abort"), at: fc.nat(60) }),
    },
  ),
});

type Scenario = typeof scenario extends fc.Arbitrary<infer S> ? S : never;

async function play(s: Scenario, remove: boolean) {
  const world = new FakeEnvironment(s.seed);
  const server = new ModelServer(world);
  const ids: string[] = [];
  for (const [index, { state, again }] of s.grants.entries()) {
    const id = `${remove ? "r" : "d"}${index}`;
    ids.push(id);
    if (!s.allUnknown && state !== "unknown") {
      server.grants.set(id, state);
    }
    if (again !== null) {
      ids.splice(Math.max(0, ids.length - again), 0, id);
    }
  }
  const initial = new Map(server.grants);
  const fates = s.fates[Symbol.iterator]();
  server.fate = () => {
    const next = fates.next().value as Fate;
    return world.random() < s.calmness ? { lookUpAfterMs: 2, responseMs: 1 } : next;
  };
  server.revokedFrom = s.revokedFrom ?? Number.POSITIVE_INFINITY;
  const { tokenMs } = s;
  if (tokenMs !== undefined) {
    server.tokenMs = () => (world.random() < 0.3 ? tokenMs : 0);
  }
  server.inactive = s.seed % 2 === 0 ? "ok" : "error";

  const read = new Set<string>();
  let returned = false;
  const sourceError = new Error("no more of this file");
  function* generate() {
    try {
      for (const id of ids) {
        read.add(id);
        yield id;
      }
    } finally {
      returned = true;
    }
  }
  async function* slowly() {
    try {
      for (const [index, id] of ids.entries()) {
        if (s.source === "failing" && index === s.sourceFailsAt) {
          throw sourceError;
        }
        if (world.random() < 0.2) {
          await sleep(world, world.random() * 400);
        }
        read.add(id);
        yield id;
      }
    } finally {
      returned = true;
    }
  }
  const source = s.source === "array" ? ids : s.source === "generator" ? generate() : slowly();
  async function* asGrants(): AsyncGenerator<UserGrant> {
    for await (const grantId of source) {
      yield { userId: "u", grantId };
    }
  }

  const outcomes: Outcome<string>[] = [];
  const abort = new AbortController();
  if (s.end.kind === "abort") {
    world.setTimer(() => abort.abort(new Error("enough")), s.end.at);
  }
  const options = {
    concurrency: s.concurrency,
    maxPerSecond: s.maxPerSecond,
    timeoutMs: s.timeoutMs,
    giveUpMs: s.giveUpMs,
    signal: abort.signal,
    onOutcome: (outcome: Outcome<string>) => {
      outcomes.push(outcome);
    },
  };
  const run: AsyncIterable<Outcome<string>> = remove
    ? removeUserGrantsIn(world, server.client, source, { ...options, batchSize: s.batchSize })
    : deactivateUserGrantsIn(world, server.client, asGrants(), options);
  const yielded: Outcome<string>[] = [];
  let thrown: unknown;
  await world.run(
    (async () => {
      try {
        for await (const outcome of run) {
          yielded.push(outcome);
          if (s.end.kind === "break" && yielded.length > s.end.at) {
            break;
          }
          if (s.consumer === "slow") {
            await sleep(world, 30);
          }
        }
      } catch (error) {
        thrown = error;
      }
    })(),
  );
  const inFlightAtEnd = server.inFlight;
  const callsAtEnd = server.calls.length;
  await world.runAll();
  return {
    ...{ server, initial, ids, read, returned, sourceError, outcomes, yielded, thrown },
    ...{ inFlightAtEnd, callsAtEnd },
  };
}

/** Plays a scenario and compares every outcome with what the server holds in the end. */
export async function check(s: Scenario, remove: boolean) {
  const result = await play(s, remove);
  const { server, initial, ids, outcomes, yielded, thrown } = result;

  // Nothing goes on after the run, and never more at a time than was allowed.
  expect(server.calls.length).toBe(result.callsAtEnd);
  expect(result.inFlightAtEnd).toBe(0);
  expect(server.mostInFlight).toBeLessThanOrEqual(s.concurrency);

  for (const [index, { startedMs }] of server.calls.entries()) {
    const nthNext = server.calls[index + Math.max(1, s.maxPerSecond ?? Number.POSITIVE_INFINITY)];
    expect((nthNext?.startedMs ?? Number.POSITIVE_INFINITY) - startedMs).toBeGreaterThan(1000);
  }

  // One outcome for each grant that was read or sent; for all of them unless the run was stopped.
  const reported = outcomes.map(({ grantId }) => grantId);
  expect(new Set(reported).size).toBe(reported.length);
  const stopped = thrown !== undefined || s.end.kind === "break";
  for (const id of server.calls.flatMap((call) => call.ids)) {
    expect(reported).toContain(id);
  }
  if (!stopped || (s.source !== "array" && thrown !== result.sourceError && remove)) {
    const expected = stopped ? result.read : new Set(ids);
    // A value that comes when the run is over has not been read by it.
    const late = s.source === "array" || s.source === "generator" || !stopped ? 0 : 1;
    expect(expected.size - new Set(reported).size).toBeLessThanOrEqual(late);
    expect(reported.every((id) => expected.has(id))).toBe(true);
  }
  if (s.end.kind !== "break") {
    expect(yielded).toEqual(outcomes);
  }
  if (thrown !== undefined && thrown !== result.sourceError) {
    expect(thrown).toBeInstanceOf(ConnectError);
  }
  if (stopped && s.source !== "array" && result.read.size > 0) {
    expect(result.returned).toBe(true);
  }

  // A few grants for which the server fails or hangs keep no other from its outcome.
  const harmful = [...result.initial.values()].filter((state) => /failing|hanging/.test(state));
  const isCalm = s.calmness === 1 && s.revokedFrom === null && s.end.kind === "none";
  // There are pauses after each failure, of a second and longer, before the first grant is accepted.
  const hasTime = s.giveUpMs > 10 * s.timeoutMs + 60_000;
  if (isCalm && harmful.length <= 3 && hasTime) {
    for (const { grantId, status } of outcomes) {
      const state = result.initial.get(grantId);
      if (state === "active" && thrown !== result.sourceError) {
        expect(status, grantId).not.toBe("failed");
      }
    }
  }

  // What is reported is the server's state, and stays so when everything has arrived that was late.
  for (const { grantId, status, answerLost, error } of outcomes) {
    const before = initial.get(grantId);
    const now = server.grants.get(grantId);
    const changed = server.changed.has(grantId);
    const label = `${grantId} ${status} ${answerLost ?? ""} ${before} → ${now}`;
    expect(error !== undefined, label).toBe(status === "failed");
    if (answerLost) {
      expect(server.lostIds.has(grantId), label).toBe(true);
    }
    switch (status) {
      case "removed":
        expect(now, label).toBeUndefined();
        expect(changed, label).toBe(true);
        break;
      case "deactivated":
        expect(now, label).toBe("inactive");
        break;
      case "already-inactive":
        expect(now, label).toBe("inactive");
        if (!answerLost) {
          expect(before, label).toBe("inactive");
        }
        break;
      case "not-found":
        expect(now, label).toBeUndefined();
        if (!answerLost) {
          expect(changed, label).toBe(false);
        }
        break;
      default:
        if (!answerLost) {
          expect(now, label).toBe(before);
          expect(changed, label).toBe(false);
        }
    }
  }
}
