// The server's side of the soak, a process of its own: a sandbox that loses responses and whose own clock
// ends calls with misleading errors, and in front of it a port that restarts, resets and stalls at random.
// It reports the sandbox's state when asked.
import { connect, createServer, type Server, type Socket } from "node:net";
import { Code } from "@connectrpc/connect";

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
  "restarts" | "resets" | "stalls" | "expiries" | "lost" | "late",
  number
>;

const sandbox = await startSandbox();
const target = Number(new URL(sandbox.baseUrl).port);
const trouble: Trouble = { restarts: 0, resets: 0, stalls: 0, expiries: 0, lost: 0, late: 0 };
const sockets = new Set<Socket>();

/** Hands bytes on both ways, as long as nobody comes in between. */
function onConnection(socket: Socket): void {
  const upstream = connect(target, "127.0.0.1");
  for (const one of [socket, upstream]) {
    one.setNoDelay(true);
    one.on("error", () => undefined);
  }
  sockets.add(socket);
  socket.on("close", () => {
    sockets.delete(socket);
    upstream.destroy();
  });
  upstream.on("close", () => socket.destroy());
  socket.pipe(upstream).pipe(socket);
}

function listen(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer(onConnection);
    server.once("error", reject);
    server.listen({ port, host: "localhost" }, () => resolve(server));
  });
}

let lastExpiryMs = 0;
let server = await listen(0);
const address = server.address();
const port = typeof address === "object" && address !== null ? address.port : 0;

async function restart(): Promise<void> {
  trouble.restarts++;
  const closed = new Promise((resolve) => server.close(resolve));
  for (const socket of sockets) {
    socket.destroy();
  }
  await closed;
  await new Promise((resolve) => setTimeout(resolve, 50 + 400 * Math.random()));
  server = await listen(port);
}

function pickSocket(): Socket | undefined {
  const all = [...sockets];
  return all[Math.floor(Math.random() * all.length)];
}

async function makeTrouble(): Promise<void> {
  const dice = Math.random();
  if (dice < 0.1) {
    await restart();
  } else if (dice < 0.5) {
    trouble.resets++;
    for (const socket of Math.random() < 0.5 ? sockets : [pickSocket()]) {
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
  } else if (dice < 0.9) {
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
  const answer = (value: unknown) => process.send?.({ id: question.id, value });
  switch (question.ask) {
    case "add":
      answer(Array.from({ length: question.count }, () => sandbox.addGrant()));
      break;
    case "states":
      answer(question.grantIds.map((id) => sandbox.grant(id)?.state ?? "gone"));
      break;
    case "trouble":
      answer(trouble);
  }
});
process.on("disconnect", () => process.exit());
void makeTrouble();
process.send?.({
  baseUrl: `http://localhost:${port}`,
  orgId: sandbox.orgId,
  ...sandbox.addClientSecret(),
} satisfies Hello);
