// Puts the faults to other clients as well, and writes what came of it side by side. Needs the built
// package, and `npm ci` in this folder.
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Transport } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { figuresIn, tableOf } from "../../support/figures.ts";
import type { Protocol } from "../exchange.ts";
import { expectedEndings, type Fault, hasProtocol, isRight } from "../fault.ts";
import { faults } from "../faults.ts";
import { runFault, type TestedTransport } from "../run.ts";

const load = (entry: string) => import(new URL(`../../../dist/${entry}.js`, import.meta.url).href);
const grpc = (await load("grpc")) as typeof import("../../../src/grpc.js");
const grpcWeb = (await load("grpc-web.node")) as typeof import("../../../src/grpc-web.node.js");
const zitadel = (await import("@zitadel/client/node" as string)) as {
  createServerTransport(token: string, options: object): Transport;
};

const token = "t";

interface Client {
  name: string;
  create: (baseUrl: string, options: Fault["options"]) => TestedTransport;
}

/** connect-node, by whatever makes a transport of it. */
function overSessions(make: (options: object) => Transport): Client["create"] {
  return (baseUrl, { pingIntervalMs, pingTimeoutMs } = {}) => {
    const pings = { ...(pingIntervalMs !== undefined && { pingIntervalMs, pingTimeoutMs }) };
    const sessionManager = new Http2SessionManager(baseUrl, pings as object);
    return {
      transport: make({ baseUrl, sessionManager }),
      close: () => sessionManager.abort(),
    };
  };
}

const clients: Partial<Record<Protocol, Client[]>> = {
  grpc: [
    {
      name: "zitadel-user-grants",
      create: (baseUrl, options) => {
        const transport = grpc.createTransport({ baseUrl, token, ...options });
        return { transport, close: () => grpc.close(transport) };
      },
    },
    {
      name: "@connectrpc/connect-node",
      create: overSessions((o) => createGrpcTransport(o as never)),
    },
    {
      name: "@zitadel/client",
      create: overSessions((o) => zitadel.createServerTransport(token, o)),
    },
  ],
  "grpc-web": [
    {
      name: "zitadel-user-grants",
      create: (baseUrl) => {
        const transport = grpcWeb.createTransport({ baseUrl, token });
        return { transport, close: () => grpcWeb.close(transport) };
      },
    },
    {
      name: "@connectrpc/connect-web",
      create: (baseUrl) => ({
        transport: createGrpcWebTransport({ baseUrl }),
        close: () => undefined,
      }),
    },
  ],
};

let uncaught = 0;
process.on("uncaughtException", () => {
  uncaught++;
});
process.on("unhandledRejection", () => {
  uncaught++;
});

type Verdict = "right" | "wrong" | "hangs" | "crashes" | "next call fails" | "leaves something";

async function judge(fault: Fault, protocol: Protocol, client: Client): Promise<[Verdict, string]> {
  uncaught = 0;
  let outcome: Awaited<ReturnType<typeof runFault>>;
  try {
    outcome = await runFault(fault, protocol, client.create);
  } catch (error) {
    return ["wrong", String(error)];
  }
  // What is thrown late is thrown by then.
  await new Promise((resolve) => setTimeout(resolve, 20));
  const { ending, next, leftOver } = outcome;
  const expected = expectedEndings(fault, protocol);
  if (uncaught > 0) {
    return ["crashes", `${ending}, and an uncaught exception`];
  }
  if (ending === "hangs" || (ending === "DeadlineExceeded" && !isRight(expected, ending))) {
    return ["hangs", ending === "hangs" ? "beyond its deadline" : "until its deadline"];
  }
  if (!isRight(expected, ending)) {
    return ["wrong", ending];
  }
  if (next !== "ok") {
    return ["next call fails", `next call: ${next}`];
  }
  return leftOver.length > 0 ? ["leaves something", leftOver.join(", ")] : ["right", ending];
}

const concernedBy = (protocol: Protocol) => faults.filter((fault) => hasProtocol(fault, protocol));

/** In a process of its own: puts the faults to one client from the given one on, and sends each verdict. */
async function judgeAll(protocol: Protocol, index: number, from: number): Promise<void> {
  const client = clients[protocol]?.[index];
  for (const fault of client ? concernedBy(protocol).slice(from) : []) {
    const judged = await judge(fault, protocol, client as Client);
    await new Promise((resolve) => process.send?.(judged, resolve));
  }
}

/**
 * The verdicts of one client. Node aborts a process in which a session's memory goes before that of its
 * streams (https://github.com/nodejs/node/issues/35233); the faults after that are put to another one.
 */
async function verdictsOf(protocol: Protocol, index: number): Promise<[Verdict, string][]> {
  const verdicts: [Verdict, string][] = [];
  const { length } = concernedBy(protocol);
  while (verdicts.length < length) {
    const child = fork(fileURLToPath(import.meta.url), [
      protocol,
      String(index),
      String(verdicts.length),
    ]);
    child.on("message", (judged) => verdicts.push(judged as [Verdict, string]));
    await once(child, "exit");
    if (verdicts.length < length) {
      verdicts.push(["crashes", "the process was aborted"]);
    }
  }
  return verdicts;
}

const [ofProtocol, ofIndex, from] = process.argv.slice(2);
if (ofProtocol !== undefined) {
  await judgeAll(ofProtocol as Protocol, Number(ofIndex), Number(from));
  process.exit();
}

const sections: string[] = [];
let ownRight = true;
for (const [protocol, all] of Object.entries(clients) as [Protocol, Client[]][]) {
  const concerned = concernedBy(protocol);
  const tallies = all.map(() => new Map<Verdict, number>());
  const rows: string[][] = [];
  const judged: [Verdict, string][][] = [];
  for (const index of all.keys()) {
    judged.push(await verdictsOf(protocol, index));
  }
  for (const [place, fault] of concerned.entries()) {
    const cells: string[] = [];
    let differs = false;
    for (const index of all.keys()) {
      const [verdict, what] = judged[index]?.[place] ?? ["wrong", "no verdict"];
      const tally = tallies[index];
      tally?.set(verdict, (tally.get(verdict) ?? 0) + 1);
      differs ||= verdict !== "right";
      ownRight &&= index > 0 || verdict === "right";
      cells.push(verdict === "right" ? what : `**${verdict}**: ${what}`);
    }
    if (differs) {
      rows.push([fault.name.replaceAll("|", "\\|"), ...cells]);
    }
  }
  const verdicts: Verdict[] = [
    "right",
    "wrong",
    "hangs",
    "crashes",
    "next call fails",
    "leaves something",
  ];
  const summary = verdicts.map((verdict) => [
    verdict,
    ...tallies.map((tally) => String(tally.get(verdict) ?? 0)),
  ]);
  const names = all.map(({ name }) => name);
  sections.push(
    `**Over ${protocol}: ${concerned.length} faults**`,
    tableOf(["", ...names], summary),
    `Where they differ:`,
    tableOf(["fault", ...names], rows),
  );
}
const text = sections.join("\n\n");
console.log(text);
figuresIn(
  "reliability",
  "peers",
  `connect-node and connect-web 2.3.0 and @zitadel/client 1.3.1, with their defaults and a deadline for each call.\n\n${text}`,
);
process.exit(ownRight ? 0 : 1);
