import { createServer as createHttpServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { connect, createServer } from "node:net";
import type { ServiceImpl, StreamResponse, Transport } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { ConformanceService } from "../conformance/gen/connectrpc/conformance/v1/service_pb.js";
import { listenForTest } from "../networks/servers.js";

/** A server of another service, made with Connect's router, for the duration of a test. */
export async function startRouter(
  protocol: "gRPC" | "gRPC-web",
  service: Partial<ServiceImpl<typeof ConformanceService>>,
): Promise<string> {
  const handler = connectNodeAdapter({
    routes: (router) => router.service(ConformanceService, service),
  });
  const server =
    protocol === "gRPC" ? createHttp2Server(handler) : createHttpServer(handler as never);
  return `http://127.0.0.1:${await listenForTest(server, "127.0.0.1")}`;
}

const { serverStream } = ConformanceService.method;

/** Opens a server stream at once; Connect's client opens it when it is read. */
export function openStream(
  transport: Transport,
  timeoutMs?: number,
): Promise<StreamResponse<typeof serverStream.input, typeof serverStream.output>> {
  async function* one() {
    yield {};
  }
  return transport.stream(serverStream, undefined, timeoutMs, undefined, one());
}

/** A way to a server of this machine on which nothing passes before it is released. */
export async function startHeldConnection(
  targetPort: number,
): Promise<{ port: number; release: () => void }> {
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const server = createServer(async (outer) => {
    await released;
    const inner = connect(targetPort, "127.0.0.1");
    inner.on("error", () => outer.destroy());
    outer.on("close", () => inner.destroy());
    inner.on("close", () => outer.destroy());
    outer.pipe(inner).pipe(outer);
  });
  return { port: await listenForTest(server, "127.0.0.1"), release };
}
