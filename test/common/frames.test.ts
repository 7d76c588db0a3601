import fc from "fast-check";
import { expect, it } from "vitest";
import { decodeFrames, encodeFrame, type Frame, FrameReader } from "../../src/common/frames.js";
import { seed } from "../support/seed.js";

async function* inParts(bytes: Uint8Array, lengths: readonly number[]) {
  let at = 0;
  for (const length of lengths) {
    yield bytes.subarray(at, at + length);
    at += length;
  }
  yield bytes.subarray(at);
}

async function decode(chunks: AsyncIterable<Uint8Array>, readMaxBytes = 1000): Promise<Frame[]> {
  const frames: Frame[] = [];
  for await (const { flags, data } of decodeFrames(chunks, readMaxBytes)) {
    frames.push({ flags, data: Uint8Array.from(data) });
  }
  return frames;
}

const frame = fc.record({
  flags: fc.integer({ min: 0, max: 255 }),
  data: fc.uint8Array({ maxLength: 300 }),
});

it(`frames are the same however they are cut into chunks (seed ${seed})`, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(frame), fc.array(fc.nat(20)), async (frames, lengths) => {
      const bytes = Buffer.concat(frames.map(({ flags, data }) => encodeFrame(data, flags)));
      expect(await decode(inParts(bytes, lengths))).toEqual(frames);
    }),
    { seed },
  );
});

it(`a body that ends within a frame is an error (seed ${seed})`, async () => {
  await fc.assert(
    fc.asyncProperty(frame, fc.double({ min: 0, max: 1, noNaN: true }), async (whole, part) => {
      const bytes = encodeFrame(whole.data, whole.flags);
      const length = 1 + Math.floor(part * (bytes.length - 2));
      await expect(decode(inParts(bytes.subarray(0, length), []))).rejects.toThrow(/cut off/);
    }),
    { seed },
  );
});

it("a prefix is reported before its data arrives, and no memory is reserved for its length", async () => {
  const reader = new FrameReader();
  reader.add(Uint8Array.of(1, 0xff, 0xff, 0xff, 0xff, 7));
  expect(reader).toMatchObject({ flags: 1, length: 0xffffffff, heldBytes: 6 });
  expect(reader.take()).toBeUndefined();

  const endless = async function* () {
    yield Uint8Array.of(0, 0, 0, 3, 0xe9);
    expect.unreachable("the data of a frame that is too long is not read");
  };
  await expect(decode(endless(), 1000)).rejects.toThrow(/1001 bytes, more than readMaxBytes/);
});
