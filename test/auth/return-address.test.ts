import { expect, test } from "vitest";
import { withoutResponse } from "../../src/auth/sign-in/callback.js";
import { returnAddress } from "../../src/auth/sign-in/login.js";

test.each([
  ["https://a.example/p?x&y=%20z#h", "https://a.example/p?x&y=%20z#h"],
  ["https://a.example/p?code=c&state=s", "https://a.example/p"],
  [
    "https://a.example/p?x&code=c&y=1&state=s&iss=i&session_state=t#h",
    "https://a.example/p?x&y=1#h",
  ],
  ["https://a.example/p?c%6fde=c&%73tate=s&+code=d", "https://a.example/p?+code=d"],
  ["https://a.example/p?error=e&error_description=d&codes=1", "https://a.example/p?codes=1"],
])("the OAuth parameters are removed from an address, and nothing else: %s", (href, expected) => {
  expect(withoutResponse(href)).toBe(expected);
});

test.each([
  ["/b?x#h", "/b?x#h"],
  ["c", "/a/c"],
  ["https://a.example/d", "/d"],
])("the user returns to an address of the origin: %s", (href, expected) => {
  expect(returnAddress(href, "https://a.example/a/b")).toBe(expected);
});

test.each([
  "https://a.example//evil.example/x",
  "/.//evil.example/x",
  "/a/..//evil.example/x",
  "/.\\\\evil.example/x",
  "/.//\t/evil.example/x",
  "https://a.example////evil.example/x",
])("whatever is resolved against the origin stays on it: %s", (href) => {
  const address = returnAddress(href, "https://a.example/a/b");
  expect(address).toBe("/evil.example/x");
  expect(new URL(address, "https://a.example").origin).toBe("https://a.example");
});

test.each([
  "https://evil.example/",
  "//evil.example",
  "/\\evil.example",
  "javascript:alert(1)",
  "http://a.example/",
  "blob:https://a.example//evil.example/x",
  "blob:https://a.example/0b1c",
])("the user is never sent to another origin: %s", (href) => {
  expect(() => returnAddress(href, "https://a.example/")).toThrow(TypeError);
});
