import { inspect } from "node:util";
import { ConnectError } from "@connectrpc/connect";
import { expect } from "vitest";

/** A token with every character that RFC 6750 allows in one and that some encoding changes. */
export const token = "Zx9-kQ2.v7+Lm4/Tb8~Yc1_Wd6Rf3pHs5gJn0==";

/** A secret in everything that is masked, as a server may repeat it. */
export const echoes = (secret: string): string =>
  [
    `you sent ${secret}!`,
    encodeURIComponent(secret),
    encodeURIComponent(secret).replace(/%../g, (code) => code.toLowerCase()),
    btoa(secret),
    btoa(`authorization: Bearer ${secret}`),
    Buffer.from(`>>${secret}`).toString("base64url"),
  ].join(" ");

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

/** Fails when a secret is in the text: verbatim, percent-encoded or in base64. */
export function expectNoSecret(text: string, secret: string): void {
  const views = [
    text,
    text.replace(/(?:%[0-9a-f]{2})+/gi, (escapes) =>
      Buffer.from(escapes.replaceAll("%", ""), "hex").toString("latin1"),
    ),
    ...[...text.matchAll(/[A-Za-z0-9+/_-]{10,}/g)].flatMap(([run]) =>
      [0, 1, 2, 3].map((offset) => Buffer.from(run.slice(offset), "base64").toString("latin1")),
    ),
  ];
  for (const view of views) {
    const at = view.indexOf(secret);
    expect(at < 0 ? "" : view.slice(Math.max(0, at - 60), at + 60)).toBe("");
  }
}
