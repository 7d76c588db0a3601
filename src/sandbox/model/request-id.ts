import { randomBytes } from "node:crypto";

const alphabet = "0123456789abcdefghijklmnopqrstuv";

/**
 * Generates ids like those of `x-request-id`: 20 characters that encode the time, random bytes of the process
 * and a counter.
 */
export function createRequestIds(now: () => number): () => { "x-request-id": string } {
  const prefix = base32(BigInt(`0x${randomBytes(5).toString("hex")}`), 8);
  let counter = 0n;
  return () => {
    counter += 1n;
    const time = base32(BigInt(Math.floor(now() / 1000)), 6);
    return { "x-request-id": time + prefix + base32(counter, 6) };
  };
}

function base32(value: bigint, length: number): string {
  let text = "";
  for (let rest = value; text.length < length; rest >>= 5n) {
    text = alphabet.charAt(Number(rest & 31n)) + text;
  }
  return text;
}
