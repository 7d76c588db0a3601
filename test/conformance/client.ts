/**
 * The client under test of the Connect conformance suite: reads the calls to make from stdin, makes
 * them one after the other, and writes what came of them to stdout. Each message has its length before
 * it, four bytes.
 *
 * https://github.com/connectrpc/conformance/blob/main/docs/testing_clients.md
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { invoke } from "./call.js";
import {
  ClientCompatRequestSchema,
  type ClientCompatResponse,
  ClientCompatResponseSchema,
} from "./gen/connectrpc/conformance/v1/client_compat_pb.js";

let buffered: Buffer = Buffer.alloc(0);
for await (const chunk of process.stdin) {
  buffered = Buffer.concat([buffered, chunk]);
  for (let length = peek(); length !== undefined; length = peek()) {
    const request = fromBinary(ClientCompatRequestSchema, buffered.subarray(4, 4 + length));
    buffered = buffered.subarray(4 + length);
    write(
      create(ClientCompatResponseSchema, {
        testName: request.testName,
        result: await invoke(request),
      }),
    );
  }
}

/** The length of the next message, once it is there whole. */
function peek(): number | undefined {
  if (buffered.length < 4) {
    return undefined;
  }
  const length = buffered.readUInt32BE();
  return buffered.length < 4 + length ? undefined : length;
}

function write(response: ClientCompatResponse): void {
  const bytes = toBinary(ClientCompatResponseSchema, response);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  process.stdout.write(Buffer.concat([length, bytes]));
}
