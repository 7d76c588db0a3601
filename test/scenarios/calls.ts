import { Code, type ConnectError, type Interceptor } from "@connectrpc/connect";
import { describeError, isGrantInactive } from "../../src/index.js";
import type { CommonOptions } from "../../src/options/options.js";
import { failure, requestId, type Scenario } from "./scenario.js";

const calls: Scenario[] = [
  {
    title: "a call that takes too long ends at its deadline, or at the client's",
    sandbox: { requestLatencyMs: 60_000 },
    run: async ({ client }) => {
      const codes = [
        client().bulkRemoveUserGrant({ grantId: ["1"] }, { timeoutMs: 50 }),
        client({ defaultTimeoutMs: 50 }).bulkRemoveUserGrant({ grantId: ["1"] }),
      ].map(async (call) => ((await failure(call)) as { code: string }).code);
      return Promise.all(codes);
    },
    expected: ["DeadlineExceeded", "DeadlineExceeded"],
  },
  {
    title: "a call that its caller aborts, before it begins or while it runs",
    sandbox: { requestLatencyMs: 60_000 },
    run: async ({ client }) => {
      const reason = new Error("gone");
      const controller = new AbortController();
      const outcomes = [AbortSignal.abort(reason), controller.signal].map((signal) =>
        client()
          .bulkRemoveUserGrant({ grantId: ["1"] }, { signal })
          .catch((error: ConnectError) => [error.code === Code.Canceled, error.cause === reason]),
      );
      setTimeout(() => controller.abort(reason), 50);
      return Promise.all(outcomes);
    },
    expected: [
      [true, true],
      [true, true],
    ],
  },
  {
    title: "headers that describe another connection, or its deadline, are not sent",
    run: async ({ sandbox, client }) => {
      const headers = {
        "grpc-timeout": "1n",
        connection: "close",
        "content-length": "3",
        "keep-alive": "timeout=5",
        "proxy-connection": "keep-alive",
        "transfer-encoding": "chunked",
        upgrade: "h2c",
      };
      const setsLength: Interceptor = (next) => (request) => {
        request.header.set("content-length", "3");
        return next(request);
      };
      const grants = [sandbox.addGrant(), sandbox.addGrant()];
      const [first = "", second = ""] = grants.map(({ grantId }) => grantId);
      await client().bulkRemoveUserGrant({ grantId: [first] }, { headers });
      await client({ interceptors: [setsLength] }).bulkRemoveUserGrant({ grantId: [second] });
      return [first, second].map(sandbox.grant);
    },
    expected: [undefined, undefined],
  },
  {
    title: "the request id comes with the headers of a response",
    run: async ({ sandbox, client }) => {
      let id: string | null = null;
      await client().deactivateUserGrant(sandbox.addGrant(), {
        onHeader: (header) => {
          id = header.get("x-request-id");
        },
      });
      return { requestId: /^[0-9a-v]{20}$/.test(String(id)) ? requestId : undefined };
    },
    expected: { requestId },
  },
  {
    title: "the caller's interceptors see each call once, no token, and the response",
    run: async ({ sandbox, client }) => {
      const seen: unknown[] = [];
      const watch: Interceptor = (next) => async (request) => {
        seen.push([request.method.name, request.header.get("authorization"), request.stream]);
        const response = await next(request);
        seen.push([response.method.name, response.stream]);
        return response;
      };
      const { grantId } = sandbox.addGrant();
      await client({ interceptors: [watch] }).bulkRemoveUserGrant({ grantId: [grantId] });
      return seen;
    },
    expected: [
      ["BulkRemoveUserGrant", null, false],
      ["BulkRemoveUserGrant", false],
    ],
  },
  {
    title: "a message over writeMaxBytes is not sent, one over readMaxBytes not taken",
    run: async ({ sandbox, client }) => {
      const grant = sandbox.addGrant();
      const code = async (options: Partial<CommonOptions>) =>
        ((await failure(client(options).deactivateUserGrant(grant))) as { code: string }).code;
      const write = await client({ writeMaxBytes: 1 })
        .bulkRemoveUserGrant({ grantId: [grant.grantId] })
        .catch((error: ConnectError) => Code[error.code]);
      const before = sandbox.grant(grant.grantId)?.state;
      return [write, before, await code({ readMaxBytes: 1 })];
    },
    expected: ["ResourceExhausted", "active", "ResourceExhausted"],
  },
  {
    title: "fifty calls at once",
    run: async ({ sandbox, client }) => {
      const one = client();
      const grants = Array.from({ length: 50 }, () => sandbox.addGrant());
      await Promise.all(grants.map((grant) => one.deactivateUserGrant(grant)));
      return new Set(grants.map(({ grantId }) => sandbox.grant(grantId)?.state));
    },
    expected: new Set(["inactive"]),
  },
];

const atOnce = { initialBackoffMs: 1 };

/** What becomes of calls that go wrong on their way. */
const faults: Scenario[] = [
  {
    title: "a deactivation that fails transiently is retried",
    run: async ({ sandbox, client }) => {
      const grant = sandbox.addGrant();
      sandbox.failNext({ code: Code.Unavailable });
      await client({ retry: atOnce }).deactivateUserGrant(grant);
      return sandbox.grant(grant.grantId)?.state;
    },
    expected: "inactive",
  },
  {
    title: "a deactivation whose response is lost is retried, and succeeds",
    generation: "v4",
    run: async ({ sandbox, client }) => {
      const grant = sandbox.addGrant();
      sandbox.failNext({ lost: true });
      await client({ retry: atOnce }).deactivateUserGrant(grant);
      return sandbox.grant(grant.grantId)?.state;
    },
    expected: "inactive",
  },
  {
    title: "a deactivation whose response is lost is retried, and finds the grant inactive",
    generation: "v2.70",
    run: async ({ sandbox, client }) => {
      const grant = sandbox.addGrant();
      sandbox.failNext({ lost: true });
      const error = await client({ retry: atOnce })
        .deactivateUserGrant(grant)
        .catch((reason: unknown) => reason);
      return [isGrantInactive(error), sandbox.grant(grant.grantId)?.state];
    },
    expected: [true, "inactive"],
  },
  {
    title: "a removal whose response is lost is not retried: it fails, and may be done",
    run: async ({ sandbox, client }) => {
      const { grantId } = sandbox.addGrant();
      sandbox.failNext({ lost: true });
      const { code } = describeError(
        await client()
          .bulkRemoveUserGrant({ grantId: [grantId] })
          .catch((reason: unknown) => reason),
      );
      return [Code[code], sandbox.grant(grantId)];
    },
    expected: ["Unavailable", undefined],
  },
  {
    title: "nor is one whose response is lost on a connection that was used before",
    run: async ({ sandbox, client }) => {
      const kept = client();
      await kept.deactivateUserGrant(sandbox.addGrant());
      const { grantId } = sandbox.addGrant();
      sandbox.failNext({ lost: true });
      const call = kept.bulkRemoveUserGrant({ grantId: [grantId] });
      const { code, id } = describeError(await call.catch((reason: unknown) => reason));
      return [Code[code], id, sandbox.grant(grantId)];
    },
    expected: ["Unavailable", undefined, undefined],
  },
  {
    title: "a delay is ended by the call's deadline",
    run: async ({ sandbox, client }) => {
      sandbox.failNext({ delayMs: 60_000 });
      const call = client().deactivateUserGrant(sandbox.addGrant(), { timeoutMs: 50 });
      const { code } = describeError(await call.catch((reason: unknown) => reason));
      return Code[code];
    },
    expected: "DeadlineExceeded",
  },
];

/** What a call does on its way: deadlines, aborts, headers, interceptors, retries. */
export const callScenarios: readonly Scenario[] = [...calls, ...faults];
