// The server's side of the soak, a process of its own: a sandbox that loses responses and whose own clock
// ends calls with misleading errors, and in front of it a port that restarts, resets, stalls and limits the
// streams to 0 at random. It reports the sandbox's state when asked.
import { connect, createServer, type Server, type Socket } from "node:net";
import { Code } from "@connectrpc/connect";
import { isHttp2, prefaceBytes, StreamLimiter } from "./http2-frames.ts";

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
const target = Number(new URL(sandbox.baseUrl).port);
const trouble: Trouble = {
  restarts: 0,
  resets: 0,
  stalls: 0,
  expiries: 0,
  lost: 0,
  late: 0,
  limits: 0,
};
const sockets = new Set<Socket>();

/** What limits the streams of a connection over HTTP/2. */
const limiters = new Map<Socket, StreamLimiter>();

/** Passes bytes both ways, as long as nothing interferes. */
function onConnection(socket: Socket): void {
  const upstream = connect(target, "127.0.0.1");
  for (const one of [socket, upstream]) {
    one.setNoDelay(true);
    one.on("error", () => undefined);
  }
  sockets.add(socket);
  socket.on("close", () => {
    sockets.delete(socket);
    limiters.get(socket)?.end();
    limiters.delete(socket);
    upstream.destroy();
  });
  upstream.on("close", () => socket.destroy());

  let start = Buffer.alloc(0);
  const onStart = (chunk: Buffer) => {
    start = Buffer.concat([start, chunk]);
    const http2 = isHttp2(start);
    if (http2 === undefined) {
      return;
    }
    socket.off("data", onStart);
    if (http2) {
      const limiter = new StreamLimiter();
      limiters.set(socket, limiter);
      upstream.write(start.subarray(0, prefaceBytes));
      limiter.toServer.write(start.subarray(prefaceBytes));
      socket.pipe(limiter.toServer).pipe(upstream);
      upstream.pipe(limiter.toClient).pipe(socket);
    } else {
      upstream.write(start);
      socket.pipe(upstream).pipe(socket);
    }
  };
  socket.on("data", onStart);
}

/** The server takes no new streams for a while, and then as many as before. */
function limitStreams(): void {
  for (const limiter of limiters.values()) {
    if (limiter.limit(0)) {
      trouble.limits++;
      const restore = () => {
        if (!limiter.isEnded && !limiter.limit(250)) {
          setTimeout(restore, 20);
        }
      };
      setTimeout(restore, 100 + 900 * Math.random());
    }
  }
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
  baseUrl: `http://localhost:${port}`,
  orgId: sandbox.orgId,
  ...sandbox.addClientSecret(),
} satisfies Hello);
