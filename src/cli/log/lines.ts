import { closeSync, openSync, readSync } from "node:fs";

const chunkBytes = 1 << 18;

/**
 * The complete lines of a file, with the position where each ends. Text after the last line break is omitted.
 * The file is streamed, so that a log of any size takes little memory.
 *
 * @throws the file system's error; RangeError for a line of more than 16 MiB.
 */
export function* completeLines(path: string): Generator<{ text: string; end: number }> {
  const file = openSync(path, "r");
  try {
    const chunk = Buffer.alloc(chunkBytes);
    let rest = Buffer.alloc(0);
    let position = 0;
    for (;;) {
      const read = readSync(file, chunk, 0, chunk.length, null);
      if (read === 0) {
        return;
      }
      let from = 0;
      for (;;) {
        const lineBreak = chunk.subarray(0, read).indexOf(0x0a, from);
        if (lineBreak === -1) {
          break;
        }
        const text = Buffer.concat([rest, chunk.subarray(from, lineBreak)]).toString("utf8");
        position += rest.length + lineBreak - from + 1;
        rest = Buffer.alloc(0);
        from = lineBreak + 1;
        yield { text, end: position };
      }
      rest = Buffer.concat([rest, chunk.subarray(from, read)]);
      if (rest.length > 1 << 24) {
        throw new RangeError("a line has more than 16 MiB");
      }
    }
  } finally {
    closeSync(file);
  }
}
