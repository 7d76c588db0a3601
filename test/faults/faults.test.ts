import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { close } from "../../src/closing.js";
import { createTransport as createGrpcTransport } from "../../src/grpc.js";
import { createTransport as createGrpcWebTransport } from "../../src/grpc-web.js";
import { createTransport as createJsonTransport } from "../../src/json.js";
import type { Protocol } from "./exchange.js";
import { expectedEndings, faults, hasProtocol, isRight } from "./faults.js";
import { runFault, type TestedTransport } from "./run.js";

const secret = "a-token-that-nobody-shall-see";

const create: Record<Protocol, (options: { baseUrl: string }) => TestedTransport["transport"]> = {
  grpc: createGrpcTransport,
  "grpc-web": createGrpcWebTransport,
  json: createJsonTransport,
};

const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;

describe.each(["grpc", "grpc-web", "json"] as const)("over %s", (protocol) => {
  it.for(faults.filter((fault) => hasProtocol(fault, protocol)))("$name", async (fault) => {
    const timersBefore = timers();
    const outcome = await runFault(fault, protocol, (baseUrl, options) => {
      const own = protocol === "grpc" ? options : {};
      const transport = create[protocol]({ baseUrl, token: secret, ...own } as never);
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
  });
});
