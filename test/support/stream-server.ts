import { createServer as createHttpServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import type { ServiceImpl, StreamResponse, Transport } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { ConformanceService } from "../conformance/gen/connectrpc/conformance/v1/service_pb.js";
import { listenForTest } from "./http-server.js";

/** A server of another service, made with Connect's router, for the duration of a test. */
export async function startRouter(
  protocol: "grpc" | "grpc-web",
  service: Partial<ServiceImpl<typeof ConformanceService>>,
): Promise<string> {
  const handler = connectNodeAdapter({
    routes: (router) => router.service(ConformanceService, service),
  });
  const server =
    protocol === "grpc" ? createHttp2Server(handler) : createHttpServer(handler as never);
  return `http://127.0.0.1:${await listenForTest(server)}`;
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
