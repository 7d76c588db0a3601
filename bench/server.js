/**
 * What every client calls: a bare HTTP/2 server in a process of its own, cleartext and TLS, that gives
 * the same response to each gRPC call. Prints its ports as JSON.
 */
import { readFileSync } from "node:fs";
import { createSecureServer, createServer } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { DeactivateUserGrantResponseSchema } from "zitadel-user-grants/gen/zitadel/management_pb.js";

const [keyFile, certFile] = process.argv.slice(2);

const message = toBinary(
  DeactivateUserGrantResponseSchema,
  create(DeactivateUserGrantResponseSchema, {
    details: {
      sequence: 1234n,
      changeDate: { seconds: 1_790_000_000n, nanos: 123_456_000 },
      resourceOwner: "69629023906488334",
    },
  }),
);
const body = Buffer.alloc(5 + message.length);
body.writeUInt32BE(message.length, 1);
body.set(message, 5);

function onStream(stream) {
  stream.resume();
  stream.on("error", () => undefined);
  stream.on("end", () => {
    stream.respond(
      {
        ":status": 200,
        "content-type": "application/grpc",
        "x-request-id": "5d7b1a52-8a4c-4a55-9a31-2f6e7b1c0d11",
      },
      { waitForTrailers: true },
    );
    stream.on("wantTrailers", () =>
      stream.sendTrailers({ "grpc-status": "0", "grpc-message": "" }),
    );
    stream.end(body);
  });
}

const settings = { maxConcurrentStreams: 250 };
const servers = {
  cleartext: createServer({ settings }),
  tls: createSecureServer({ settings, key: readFileSync(keyFile), cert: readFileSync(certFile) }),
};
const ports = {};
for (const [name, server] of Object.entries(servers)) {
  server.on("stream", onStream);
  server.on("session", (session) => session.on("error", () => undefined));
  await new Promise((resolve) => server.listen(0, "localhost", resolve));
  ports[name] = server.address().port;
}
process.send(ports);
