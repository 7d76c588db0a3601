import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { PassThrough } from "node:stream";
import { expect, it } from "vitest";
import type { Io } from "../../src/cli/io.js";
import { createResultLines } from "../../src/cli/results.js";

function setUp() {
  const stdout = new PassThrough({ highWaterMark: 20 });
  return {
    stdout,
    lines: createResultLines({ stdout, stderr: new PassThrough() } as unknown as Io),
  };
}

it("tells when the reader has not taken the lines yet, and when it has", async () => {
  const { stdout, lines } = setUp();
  lines.add("short");
  expect(lines.taken()).toBeUndefined();
  lines.add("a line that fills what is kept");
  lines.add("and one more");
  const taken = lines.taken();
  expect(taken).toBeInstanceOf(Promise);
  stdout.resume();
  await taken;
  lines.add("short");
  expect(lines.taken()).toBeUndefined();
});

it("does not wait for a reader that has left", async () => {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
  const stdout = connect((server.address() as AddressInfo).port, "localhost");
  stdout.on("error", () => undefined);
  const lines = createResultLines({ stdout, stderr: new PassThrough() } as unknown as Io);
  lines.add("a line".repeat(1_000_000));
  await lines.taken();
  if (!stdout.closed) {
    await once(stdout, "close");
  }
  lines.add("a line".repeat(1_000_000));
  await lines.taken();
  server.close();
});
