import { inspect } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { close } from "../../src/grpc.js";
import { figuresIn, tableOf } from "../support/figures.js";
import { entries, protocols } from "../support/protocols.js";
import type { Protocol } from "./exchange.js";
import { expectedEndings, hasProtocol, isRight } from "./fault.js";
import { faults } from "./faults.js";
import { runFault } from "./run.js";

const secret = "a-token-that-nobody-shall-see";

const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;

const right: Record<Protocol, string[]> = { grpc: [], "grpc-web": [], json: [] };

afterAll(() => {
  const rows = Object.entries(right).map(([protocol, names]) => [protocol, String(names.length)]);
  const names = new Set(Object.values(right).flat());
  const header = [
    "protocol",
    "faults with the right code, a next call that succeeds, and nothing left behind",
  ];
  const list = faults.map(({ name }) => name).filter((name) => names.has(name));
  figuresIn(
    "reliability",
    "faults",
    `${tableOf(header, rows)}\n\n<details><summary>All ${list.length}</summary>\n\n${list.map((name) => `- ${name}`).join("\n")}\n\n</details>`,
  );
});

describe.each(protocols)("over %s", (protocol) => {
  it.for(faults.filter((fault) => hasProtocol(fault, protocol)))("$name", async (fault) => {
    const timersBefore = timers();
    const outcome = await runFault(fault, protocol, (baseUrl, options) => {
      const own = protocol === "grpc" ? options : {};
      const transport = entries[protocol].createTransport({ baseUrl, token: secret, ...own });
      return { transport, close: () => close(transport) };
    });
    const expected = expectedEndings(fault, protocol);
    expect(isRight(expected, outcome.ending), `${outcome.ending}: ${inspect(outcome.error)}`).toBe(
      true,
    );
    expect(outcome.next, inspect(outcome.nextError)).toBe("ok");
    expect(outcome.leftOver).toEqual([]);
    expect(timers()).toBeLessThanOrEqual(timersBefore);
    expect(inspect(outcome.error, { depth: 10, showHidden: true })).not.toContain(secret);
    expect(JSON.stringify(outcome.error) ?? "").not.toContain(secret);
    right[protocol].push(fault.name);
  });
});
