import type { JsonValue } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { plainCause } from "./failure.js";

/** Replaces secrets in foreign text. */
export interface Mask {
  /** The text with `***` for each secret. */
  text(text: string): string;
  /** The same for bytes, whose number is kept, so that an encoded message stays readable. */
  bytes(bytes: Uint8Array): Uint8Array;
}

/** Anything shorter occurs in every text. */
const minLength = 4;

/**
 * Creates a mask for secrets: verbatim, percent-encoded, and in base64 and base64url at each
 * alignment.
 */
export function createMask(secrets: Iterable<string>): Mask {
  const found = new Set<string>();
  for (const secret of secrets) {
    for (const form of secret.length < minLength ? [] : encodings(secret)) {
      found.add(form);
    }
  }
  // One secret may be a part of another.
  const forms = [...found].sort((a, b) => b.length - a.length);
  return {
    text: (text) => forms.reduce((masked, form) => masked.replaceAll(form, "***"), text),
    bytes: (bytes) => maskBytes(bytes, forms),
  };
}

function encodings(secret: string): string[] {
  const utf8 = new TextEncoder().encode(secret);
  // Well-formed, whatever it was.
  const percent = encodeURIComponent(new TextDecoder().decode(utf8));
  const base64 = base64Forms(asText(utf8));
  return [
    secret,
    percent,
    percent.replace(/%../g, (code) => code.toLowerCase()),
    ...base64,
    ...base64.map((form) => form.replaceAll("+", "-").replaceAll("/", "_")),
  ];
}

/** The encoding of a secret inside a longer text: without the characters that it shares with its neighbors. */
function base64Forms(bytes: string): string[] {
  return [0, 1, 2].map((offset) =>
    btoa("\0".repeat(offset) + bytes)
      .replace(/.?=+$/, "")
      .slice(offset && offset + 1),
  );
}

function maskBytes(bytes: Uint8Array, forms: readonly string[]): Uint8Array {
  const text = asText(bytes);
  const masked = forms
    .map((form) => asText(new TextEncoder().encode(form)))
    .reduce((rest, form) => rest.replaceAll(form, "*".repeat(form.length)), text);
  return masked === text ? bytes : Uint8Array.from(masked, (byte) => byte.charCodeAt(0));
}

/** A character for each byte. */
function asText(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

const secretName =
  /authorization|cookie|token|secret|passw|passphrase|credential|signature|session|key|(?:^|[-_])(?:auth|pwd|jwt|sig)(?:$|[-_])/i;

/** Whether a header field of this name holds a secret: `authorization`, `x-functions-key`, `cookie`, …. */
export function isSecretName(name: string): boolean {
  return secretName.test(name);
}

/** The secrets in header fields: the value without its scheme, and the decoded HTTP Basic credentials. */
export function secretsOf(fields: Iterable<readonly [string, unknown]>): string[] {
  const secrets: string[] = [];
  for (const [name, value] of fields) {
    if (typeof value !== "string" || !isSecretName(name)) {
      continue;
    }
    const [, scheme = "", secret = ""] = /^(\w+ +)?(.*)$/s.exec(value) ?? [];
    secrets.push(secret);
    if (/^basic /i.test(scheme)) {
      secrets.push(...basicCredentials(secret));
    }
  }
  return secrets;
}

/** RFC 7617: `name:password`. */
function basicCredentials(encoded: string): string[] {
  try {
    const decoded = atob(encoded);
    return [decoded, decoded.slice(decoded.indexOf(":") + 1)];
  } catch {
    return [];
  }
}

/**
 * Masks the secrets of a call in its error: in message, stack, metadata, details and cause. An error without
 * secrets is left unchanged, except for its cause (`plainCause`).
 *
 * @param own the caller's abort reason, or the error that this package derived from it: it stays the same
 * object.
 */
export function maskError(reason: unknown, mask: Mask, own?: unknown): ConnectError {
  const error = reason instanceof ConnectError ? reason : ConnectError.from(reason);
  if (error === own) {
    return error;
  }
  const { rawMessage, cause } = error;
  const masked = mask.text(rawMessage);
  if (masked !== rawMessage) {
    rewriteMessage(error, masked);
  }
  const metadata = new Headers();
  error.metadata.forEach((value, name) => {
    metadata.append(mask.text(name), mask.text(value));
  });
  Object.assign(error, { metadata });
  error.details = error.details.map((detail) => maskDetail(detail, mask));
  if (cause !== undefined && cause !== own) {
    Object.assign(error, { cause: plainCause(cause, mask.text) });
  }
  return error;
}

/** Replaces the message of an error, also in its stack: it stays the same object, with all its properties. */
export function rewriteMessage<E extends ConnectError>(error: E, rawMessage: string): E {
  const { message, stack } = error;
  const prefix = message.slice(0, message.length - error.rawMessage.length);
  const rewritten = message.endsWith(error.rawMessage) ? prefix + rawMessage : rawMessage;
  // They exist and are writable, whatever their types declare, and keep their visibility.
  return Object.assign(error, {
    rawMessage,
    message: rewritten,
    // Not a text where a program has set `Error.prepareStackTrace`.
    stack: typeof stack === "string" ? stack.replace(message, () => rewritten) : stack,
  });
}

type Detail = ConnectError["details"][number];

function maskDetail(detail: Detail, mask: Mask): Detail {
  if (!("type" in detail)) {
    return detail;
  }
  const { type, value, debug } = detail;
  return {
    ...detail,
    type: mask.text(type),
    value: mask.bytes(value),
    ...(debug !== undefined && { debug: maskJson(debug, mask) }),
  };
}

/** JSON with masked strings and names, and null in place of what is nested deeper than messages may be. */
export function maskJson(value: JsonValue, mask: Mask, levels = 100): JsonValue {
  if (typeof value === "string") {
    return mask.text(value);
  }
  if (typeof value !== "object" || value === null || levels === 0) {
    return levels === 0 ? null : value;
  }
  const masked = (item: JsonValue) => maskJson(item, mask, levels - 1);
  return Array.isArray(value)
    ? value.map(masked)
    : Object.fromEntries(
        Object.entries(value).map(([name, item]) => [mask.text(name), masked(item)]),
      );
}
