import { inspect } from "node:util";
import { ConnectError } from "@connectrpc/connect";
import { expect } from "vitest";

/** A token with every character that RFC 6750 allows in one and that some encoding changes. */
export const token = "Zx9-kQ2.v7+Lm4/Tb8~Yc1_Wd6Rf3pHs5gJn0==";

/** How a server may repeat a secret. */
export const encodings: Record<string, (secret: string) => string> = {
  raw: (secret) => `you sent ${secret}!`,
  percent: encodeURIComponent,
  "percent in lower case": (secret) =>
    encodeURIComponent(secret).replace(/%../g, (code) => code.toLowerCase()),
  form: (secret) => new URLSearchParams({ a: `Bearer ${secret}` }).toString(),
  base64: (secret) => btoa(secret),
  "base64 of the header": (secret) => btoa(`authorization: Bearer ${secret}`),
  "base64 at another offset": (secret) => btoa(`x${secret}`),
  base64url: (secret) => Buffer.from(`>>${secret}`).toString("base64url"),
  JSON: (secret) => JSON.stringify({ authorization: `"Bearer" ${secret}` }),
  "JSON with escaped slashes": (secret) => JSON.stringify(secret).replaceAll("/", "\\/"),
  "JSON with every character escaped": (secret) =>
    escaped(secret, (code) => `\\u${code.toString(16).padStart(4, "0")}`),
  "percent-encoded to the last letter": (secret) =>
    escaped(secret, (code) => `%${code.toString(16).padStart(2, "0")}`),
  HTML: (secret) => secret.replace(/[^a-z0-9]/gi, (one) => `&#${one.charCodeAt(0)};`),
  "HTML in hex": (secret) => escaped(secret, (code) => `&#x${code.toString(16)};`),
  "percent-encoded twice": (secret) => encodeURIComponent(encodeURIComponent(secret)),
  hex: (secret) => Buffer.from(secret).toString("hex"),
  "hex in upper case": (secret) => Buffer.from(`x${secret}`).toString("hex").toUpperCase(),
  "cut at its start": (secret) => secret.slice(9),
  "cut at its end": (secret) => `…${secret.slice(0, 14)}`,
  "a part of 8 characters": (secret) => `(${secret.slice(13, 21)})`,
};

function escaped(text: string, encode: (code: number) => string): string {
  return [...text].map((character) => encode(character.charCodeAt(0))).join("");
}

/** Everything that a log, a crash report or a curious colleague sees of a value. */
export function shown(value: unknown): string {
  const texts = [
    inspect(value, { depth: 20, showHidden: true, getters: true }),
    inspect(value),
    String(value),
    JSON.stringify(value, (_, inner) =>
      inner instanceof Error ? { ...inner, message: inner.message, cause: inner.cause } : inner,
    ) ?? "",
  ];
  try {
    texts.push(inspect(structuredClone(value), { depth: 20, showHidden: true }));
  } catch {
    // A value with functions has no clone.
  }
  for (let error = value; error instanceof Error; error = error.cause) {
    texts.push(error.message, error.stack ?? "", JSON.stringify(Object.getOwnPropertyNames(error)));
    if (error instanceof ConnectError) {
      texts.push(error.rawMessage, ...[...error.metadata].flat());
      for (const detail of error.details) {
        if ("type" in detail) {
          texts.push(detail.type, Buffer.from(detail.value).toString("latin1"));
          texts.push(JSON.stringify(detail.debug ?? null));
        }
      }
    }
  }
  return texts.join("\n");
}

/** Fails when a part of 8 characters of a secret is in the text, whatever encodes it there. */
export function expectNoSecret(text: string, secret: string): void {
  for (const view of views(text)) {
    for (let at = 0; at + 8 <= secret.length; at++) {
      const part = secret.slice(at, at + 8);
      if (view.includes(part)) {
        expect.fail(`"${part}" of the secret is in: ${around(view, part)}`);
      }
    }
  }
}

/** The text, and what it may encode. */
function* views(text: string): Generator<string> {
  yield text;
  const unescaped = withoutPercents(text);
  yield unescaped;
  yield withoutPercents(unescaped);
  yield text.replace(/&#(?:x([0-9a-f]+)|(\d+));/gi, (_, hex: string | undefined, decimal: string) =>
    String.fromCharCode(hex === undefined ? Number(decimal) : Number.parseInt(hex, 16)),
  );
  yield text.replace(/\\u([0-9a-f]{4})|\\+(.)/gi, (_, hex: string | undefined, plain: string) =>
    hex === undefined ? plain : String.fromCharCode(Number.parseInt(hex, 16)),
  );
  for (const [run] of text.matchAll(/[A-Za-z0-9+/_-]{10,}/g)) {
    for (let offset = 0; offset < 4; offset++) {
      yield Buffer.from(run.slice(offset), "base64").toString("latin1");
    }
  }
  for (const [run] of text.matchAll(/[0-9a-f]{16,}/gi)) {
    for (let offset = 0; offset < 2; offset++) {
      yield Buffer.from(run.slice(offset), "hex").toString("latin1");
    }
  }
  const bytes = /<Buffer ((?:[0-9a-f]{2} ?)+)/g;
  for (const [, hex = ""] of text.matchAll(bytes)) {
    yield Buffer.from(hex.replaceAll(" ", ""), "hex").toString("latin1");
  }
}

function withoutPercents(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (escapes) =>
    Buffer.from(escapes.replaceAll("%", ""), "hex").toString("latin1"),
  );
}

function around(text: string, part: string): string {
  const at = text.indexOf(part);
  return JSON.stringify(text.slice(Math.max(0, at - 60), at + 60));
}
