import { expect, it } from "vitest";
import { StringTable } from "../../src/cli/string-table.js";

it("numbers texts in their order, digits or not, and gives each back", () => {
  const table = new StringTable();
  const texts = ["", "0", "00", "000", "12", "123", "1234", "f", "0f", "\u0012", "\u0012\u003f"];
  for (let n = 0; n < 3000; n++) {
    texts.push(`0${n}7`, `a${n}`, String(400986363463207974n + BigInt(n)));
  }
  texts.push("é", "１２", "x".repeat(32_767));
  expect(texts.map((text) => table.add(text))).toEqual(texts.map((_, index) => index));
  expect(texts.map((text) => table.add(text))).toEqual(texts.map((_, index) => index));
  expect(texts.map((text) => table.indexOf(text))).toEqual(texts.map((_, index) => index));
  expect(texts.map((_, index) => table.at(index))).toEqual(texts);
  expect(table.size).toBe(texts.length);
  expect(table.indexOf("400986363463207973")).toBe(-1);
});

it("rejects what it cannot hold, and numbers that it did not give", () => {
  const table = new StringTable();
  expect(() => table.add("x".repeat(32_768))).toThrow(/too long/);
  expect(() => table.at(0)).toThrow(RangeError);
  expect(table.size).toBe(0);
});
