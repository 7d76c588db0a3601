import { expect, it } from "vitest";
import { fileProblem } from "../../src/cli/io.js";

it.each([
  ["ENOENT", "read", /no such file/],
  ["ENOENT", "write", /directory does not exist: create it/],
  ["EACCES", "read", /may not read it/],
  ["EACCES", "write", /may not write there/],
  ["EISDIR", "read", /is a directory/],
  ["ENOTDIR", "write", /part of its path is a file/],
  ["ENOSPC", "write", /disk is full: make room/],
] as const)("%s of a file to %s is told in plain words", (code, use, words) => {
  const error = Object.assign(new Error(`${code}: of the system`), { code });
  expect(fileProblem(error, use)).toMatch(words);
  expect(fileProblem(error, use)).toContain(`(${code})`);
  expect(fileProblem(error, use)).not.toContain("of the system");
});

it("an unknown problem is told in the system's words", () => {
  expect(fileProblem(new Error("EXYZ: what"), "read")).toBe("EXYZ: what");
});
