import { describe, expect, it } from "vitest";
import { createMask } from "../../src/common/mask.js";

const secret = "s3cret-of-a-service-user";

describe("a mask", () => {
  it("shortens a text that would take seconds to search, once", () => {
    const mask = createMask([secret]);
    const long = `${secret} ${"\\u0041".repeat(2_000_000)}`;
    const masked = mask.text(long);
    expect(masked).toMatch(/^\*\*\* \\u0041.*\.{3} \(12000025 characters\)$/);
    expect(masked.length).toBeLessThanOrEqual(65_536);
    expect(mask.text(masked)).toBe(masked);
  });

  it("replaces the bytes that it does not search", () => {
    const bytes = new Uint8Array(100_000).fill(0x61);
    const text = new TextEncoder().encode(secret);
    bytes.set(text, 10);
    bytes.set(text, 90_000);
    const masked = new TextDecoder().decode(createMask([secret]).bytes(bytes));
    expect(masked).toHaveLength(bytes.length);
    expect(masked).not.toContain(secret);
    expect(masked.slice(0, 10)).toBe("a".repeat(10));
  });

  it("without secrets leaves everything as it is", () => {
    const mask = createMask([]);
    const text = "a".repeat(100_000);
    expect(mask.text(text)).toBe(text);
  });
});
