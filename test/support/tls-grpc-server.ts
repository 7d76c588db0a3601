import { createSecureServer } from "node:http2";
import { listenForTest } from "../networks/servers.js";
import { makeCertificate } from "./certificates.js";
import { respond } from "./grpc-server.js";

/** A TLS server that responds to each stream with one empty message, for the duration of a test. */
export async function startSecureGrpcServer(
  name: string,
): Promise<{ port: number; ca: string; authorities: (string | undefined)[] }> {
  const authority = makeCertificate({ name: "Private CA", isAuthority: true });
  const certificate = makeCertificate({
    name,
    issuer: authority,
    dnsNames: [name],
    addresses: ["127.0.0.1"],
  });
  const authorities: (string | undefined)[] = [];
  const server = createSecureServer(certificate);
  server.on("sessionError", () => undefined);
  server.on("stream", (stream, header) => {
    authorities.push(header[":authority"]);
    stream.on("error", () => undefined);
    respond(stream, {});
  });
  return { port: await listenForTest(server, "127.0.0.1"), ca: authority.cert, authorities };
}
