import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { PassThrough } from "node:stream";
import { expect, it } from "vitest";
import type { Io } from "../../src/cli/io.js";
import { createResultLines } from "../../src/cli/terminal.js";

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

it("holds what a slow reader does not take in a few blocks, and loses none of it", async () => {
  const written: string[] = [];
  let unread: (() => void)[] = [];
  const write = (text: string, done: () => void) => {
    written.push(text);
    unread.push(done);
    return false;
  };
  const lines = createResultLines({
    stdout: { write },
    stderr: new PassThrough(),
  } as unknown as Io);
  const texts = Array.from({ length: 200_000 }, (_, n) => `40098636346320${n}\tremoved`);
  for (const text of texts) {
    lines.add(text);
  }
  const chunksOfStream = written.length;
  expect(written.join("").length).toBeLessThan(1.1 * 2 ** 20);
  while (unread.length > 0) {
    const dones = unread;
    unread = [];
    for (const done of dones) {
      done();
    }
  }
  lines.add("at once again");
  expect(written.join("")).toBe(`${[...texts, "at once again"].join("\n")}\n`);
  expect(written.length - chunksOfStream).toBeLessThan(100);
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
