// The server's side of the soak, a process of its own: a sandbox that loses responses and whose own clock
// ends calls with misleading errors, and in front of it a port that restarts, resets and stalls; it limits its
// streams to 0 now and then. It reports the sandbox's state when asked.
import { subscribe } from "node:diagnostics_channel";
import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { Code } from "@connectrpc/connect";
import { startRelay } from "../support/relay.ts";

const { startSandbox } = (await import(
  new URL("../../dist/sandbox/index.js", import.meta.url).href
)) as typeof import("../../src/sandbox/index.js");

/** What the two processes say to each other. */
export type Question =
  | { id: number; ask: "add"; count: number }
  | { id: number; ask: "states"; grantIds: string[] }
  | { id: number; ask: "trouble" };
export interface Hello {
  baseUrl: string;
  orgId: string;
  clientId: string;
  clientSecret: string;
}
export type Trouble = Record<
  "restarts" | "resets" | "stalls" | "expiries" | "lost" | "late" | "limits",
  number
>;

const sandbox = await startSandbox();
const relay = await startRelay(Number(new URL(sandbox.baseUrl).port));
const trouble: Trouble = {
  restarts: 0,
  resets: 0,
  stalls: 0,
  expiries: 0,
  lost: 0,
  late: 0,
  limits: 0,
};

/** The sandbox's connections over HTTP/2. */
const sessions = new Set<ServerHttp2Session>();
subscribe("http2.server.stream.created", (message) => {
  const { session } = (message as { stream: ServerHttp2Stream }).stream;
  if (session !== undefined && !sessions.has(session as ServerHttp2Session)) {
    sessions.add(session as ServerHttp2Session);
    session.once("close", () => sessions.delete(session as ServerHttp2Session));
  }
});

/** The server takes no new streams for a while, and then as many as before. */
function limitStreams(): void {
  for (const session of sessions) {
    trouble.limits++;
    session.settings({ maxConcurrentStreams: 0 });
    const restore = () => session.destroyed || session.settings({ maxConcurrentStreams: 250 });
    setTimeout(restore, 100 + 900 * Math.random());
  }
}

let lastExpiryMs = 0;

async function restart(): Promise<void> {
  trouble.restarts++;
  await relay.shut();
  await new Promise((resolve) => setTimeout(resolve, 50 + 400 * Math.random()));
  await relay.open();
}

function pickSocket(): Socket | undefined {
  const all = relay.sockets();
  return all[Math.floor(Math.random() * all.length)];
}

async function makeTrouble(): Promise<void> {
  const dice = Math.random();
  if (dice < 0.1) {
    await restart();
  } else if (dice < 0.5) {
    trouble.resets++;
    for (const socket of Math.random() < 0.5 ? relay.sockets() : [pickSocket()]) {
      socket?.resetAndDestroy();
    }
  } else if (dice < 0.7) {
    trouble.lost++;
    sandbox.failNext({ lost: true });
  } else if (dice < 0.75) {
    // As ZITADEL does when its own deadline passes: after the client's, and as something else.
    trouble.late++;
    sandbox.failNext({
      code: dice < 0.725 ? Code.NotFound : Code.PermissionDenied,
      id: dice < 0.725 ? undefined : "AUTH-Bs7Ds",
      delayMs: 3_500,
    });
  } else if (dice < 0.8) {
    limitStreams();
  } else if (dice < 0.93) {
    trouble.stalls++;
    const socket = pickSocket();
    socket?.pause();
    setTimeout(() => socket?.resume(), 200 + 4_800 * Math.random());
  } else if (performance.now() - lastExpiryMs > 10_000) {
    // Not twice within one call: a call asks for another token once.
    lastExpiryMs = performance.now();
    trouble.expiries++;
    sandbox.expireTokens();
  }
  setTimeout(() => void makeTrouble(), 1_000 * Math.random());
}

process.on("message", (question: Question) => {
  const respond = (value: unknown) => process.send?.({ id: question.id, value });
  switch (question.ask) {
    case "add":
      respond(Array.from({ length: question.count }, () => sandbox.addGrant()));
      break;
    case "states":
      respond(question.grantIds.map((id) => sandbox.grant(id)?.state ?? "gone"));
      break;
    case "trouble":
      respond(trouble);
  }
});
process.on("disconnect", () => process.exit());
void makeTrouble();
process.send?.({
  baseUrl: relay.baseUrl,
  orgId: sandbox.orgId,
  ...sandbox.addClientSecret(),
} satisfies Hello);
