import { Code, type Transport } from "@connectrpc/connect";
import { describe, expect, it, vi } from "vitest";
import { createLazyTransport } from "../../src/client/lazy-transport.js";
import { notProcessed } from "../../src/errors/not-processed.js";
import { ManagementService } from "../../src/grpc-web.js";

const { bulkRemoveUserGrant } = ManagementService.method;
const request = { grantId: ["1"] };
const response = { message: {} };

describe("a transport that is loaded", () => {
  const call = (transport: Transport, signal?: AbortSignal, timeoutMs?: number) =>
    transport.unary(bulkRemoveUserGrant, signal, timeoutMs, undefined, request);

  it("makes the calls that waited for it, with the time that is left", async () => {
    const unary = vi.fn(async () => response);
    let finish: (transport: unknown) => void = () => undefined;
    const { transport } = createLazyTransport(
      () => new Promise((resolve) => (finish = resolve as never)),
      5_000,
    );
    const waiting = call(transport);
    finish({ transport: { unary } });
    expect(await waiting).toBe(response);
    expect(unary).toHaveBeenCalledOnce();
    const [, , timeoutMs] = unary.mock.calls[0] as unknown as [unknown, unknown, number];
    expect(timeoutMs).toBeGreaterThan(0);
    expect(timeoutMs).toBeLessThanOrEqual(5_000);
  });

  it("fails calls as never sent when it cannot be loaded, and is loaded again at the next", async () => {
    let loads = 0;
    const { transport } = createLazyTransport(async () => {
      loads++;
      if (loads === 1) {
        throw new TypeError("Failed to fetch dynamically imported module");
      }
      return { transport: { unary: async () => response } as never };
    }, undefined);
    const error = await call(transport).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: Code.Unavailable });
    expect(notProcessed(error)).toBe(true);
    expect(await call(transport)).toBe(response);
    expect(loads).toBe(2);
  });

  it("lets a call leave at its deadline and at its caller's abort", async () => {
    const { transport } = createLazyTransport(() => new Promise(() => undefined), undefined);
    await expect(call(transport, undefined, 10)).rejects.toMatchObject({
      code: Code.DeadlineExceeded,
    });
    const controller = new AbortController();
    const reason = new Error("no longer wanted");
    const waiting = call(transport, controller.signal);
    controller.abort(reason);
    await expect(waiting).rejects.toMatchObject({ code: Code.Canceled, cause: reason });
    await expect(call(transport, AbortSignal.abort(reason))).rejects.toMatchObject({
      code: Code.Canceled,
    });
  });
});
