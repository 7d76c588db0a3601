import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { ManagementService } from "../../gen/zitadel/management_pb.js";
import { type Protocol, respondWell, type WireServer } from "./exchange.ts";
import type { Fault } from "./fault.ts";
import { startWireServer } from "./wire.ts";

/** "ok" for the right response, the name of the error's code, or what else came out. */
export type Ending = "ok" | keyof typeof Code | "wrong response" | "no ConnectError" | "hangs";

export interface Outcome {
  /** How the call with the fault ended. */
  ending: Ending;
  error: unknown;
  /** How the next call of the same client ended, with the server healthy again. */
  next: Ending;
  nextError: unknown;
  /** What was left over: of the caller's signal, and of a request that was given up. */
  leftOver: string[];
}

export interface TestedTransport {
  transport: Transport;
  close: () => void;
}

/** Well beyond every deadline of the suite: who has not settled by then never will. */
const hangMs = 8_000;

/** Puts a transport through a fault and one more call. */
export async function runFault(
  fault: Fault,
  protocol: Protocol,
  create: (baseUrl: string, options: Fault["options"]) => TestedTransport,
): Promise<Outcome> {
  const times = fault.times ?? 1;
  let over: Promise<unknown> = Promise.resolve(true);
  const options = {
    connection: fault.connection,
    ...fault.wire,
    respond: (exchange: Parameters<typeof respondWell>[0]) => {
      if (exchange.number > times || fault.respond === undefined) {
        respondWell(exchange);
      } else {
        over = exchange.over.then(() => true);
        fault.respond(exchange);
      }
    },
  };
  let server: WireServer | undefined;
  const start = (port?: number) => startWireServer(protocol, { ...options, port });
  server = await start();
  const { port } = server;
  const tested = create(server.baseUrl, fault.options);
  const leftOver: string[] = [];
  try {
    if (fault.down === true) {
      await server.close();
    }
    const before = fault.before ?? 0;
    for (let n = 0; n < before; n++) {
      await call(tested.transport, 5_000);
    }
    await fault.between?.(server);
    const signal = new AbortController().signal;
    let listeners = 0;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      listeners++;
      addEventListener.apply(signal, args);
    };
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      listeners--;
      removeEventListener.apply(signal, args);
    };
    const { ending, error } = await call(tested.transport, fault.timeoutMs ?? 5_000, signal);
    if (listeners > 0) {
      leftOver.push("a listener on the caller's signal");
    }
    if (ending !== "ok" && (await within(over, 1_000)) === undefined) {
      leftOver.push("a request that nobody waits for");
    }
    if (fault.down === true) {
      server = await start(port);
    }
    const next =
      fault.lasts === true ? { ending: "ok" as const } : await call(tested.transport, 5_000);
    return { ending, error, next: next.ending, nextError: next.error, leftOver };
  } finally {
    tested.close();
    await server.close();
  }
}

async function call(
  transport: Transport,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<{ ending: Ending; error?: unknown }> {
  const client = createClient(ManagementService, transport);
  const ending: Promise<{ ending: Ending; error?: unknown }> = client
    .deactivateUserGrant({ userId: "1", grantId: "2" }, { timeoutMs, ...(signal && { signal }) })
    .then(
      ({ details }) => ({ ending: details?.sequence === 5n ? "ok" : "wrong response" }),
      (error: unknown) => ({
        ending:
          error instanceof ConnectError
            ? (Code[error.code] as keyof typeof Code)
            : ("no ConnectError" as const),
        error,
      }),
    );
  return (await within(ending, hangMs)) ?? { ending: "hangs" };
}

/** Undefined when the promise takes longer. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  const settled = await Promise.race([promise, late]);
  clearTimeout(timer);
  return settled;
}
