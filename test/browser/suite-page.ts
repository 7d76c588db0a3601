// One script for a page, a worker and a service worker: each runs the suite where it is.
import * as main from "zitadel-user-grants";
import * as json from "zitadel-user-grants/json";
import { type Entry, runSuite } from "../runtimes/suite.js";
import type { Result, Surroundings } from "../runtimes/surroundings.js";

const entries: Record<string, Entry> = { "gRPC-web": main, JSON: json };

interface Order {
  entry: string;
  surroundings: Surroundings;
}

function runHere({ entry, surroundings }: Order): Promise<Result[]> {
  return runSuite(entries[entry] ?? main, surroundings);
}

/** Lets a worker of either kind run it. */
function runThere(worker: Worker | ServiceWorker, order: Order): Promise<Result[]> {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve, reject) => {
    port1.onmessage = ({ data }) => resolve(data);
    worker.addEventListener("error", () => reject(new Error("the worker failed")));
    worker.postMessage(order, [port2]);
  });
}

const inPage = {
  page: runHere,

  worker: async (order: Order) => {
    const worker = new Worker("/suite.js");
    const results = await runThere(worker, order);
    worker.terminate();
    return results;
  },

  serviceWorker: async (order: Order) => {
    const registration = await navigator.serviceWorker.register("/suite.js");
    await navigator.serviceWorker.ready;
    if (registration.active === null) {
      throw new Error("the service worker is not active");
    }
    const results = await runThere(registration.active, order);
    await registration.unregister();
    return results;
  },

  /** Calls while the server is there, while it is away, and when it is back. */
  offline: async ({ entry, surroundings: { baseUrl, token, orgId } }: Order) => {
    const { createManagementClient, describeError } = entries[entry] ?? main;
    const client = createManagementClient({ baseUrl, token, orgId });
    const call = () =>
      client.bulkRemoveUserGrant({ grantId: ["no such grant"] }).catch((error: unknown) => {
        const { code, id } = describeError(error);
        return id ?? code;
      });
    const outcomes = [await call()];
    await fetch("/shut", { method: "POST" });
    outcomes.push(await call());
    await fetch("/open", { method: "POST" });
    outcomes.push(await call());
    return outcomes;
  },
};

export type InPage = typeof inPage;

if (typeof document === "undefined") {
  self.addEventListener("message", (event: MessageEvent<Order>) => {
    const done = runHere(event.data).then((results) => event.ports[0]?.postMessage(results));
    // Only a service worker has it, and would otherwise be ended meanwhile.
    (event as Partial<{ waitUntil(promise: Promise<void>): void }>).waitUntil?.(done);
  });
} else {
  Object.assign(globalThis, { suite: inPage });
}
