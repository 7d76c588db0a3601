import { ConnectError } from "@connectrpc/connect";
import type { Mask } from "../common/mask.js";
import { plainCause } from "./plain-cause.js";
import { rewriteMessage } from "./rewrite-message.js";

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
  maskMetadata(error, mask);
  error.details = error.details.map((detail) => maskDetail(detail, mask));
  if (cause !== undefined && cause !== own) {
    Object.assign(error, { cause: plainCause(cause, mask) });
  }
  return error;
}

/** JSON with masked strings, including property names. */
export function maskJson<T>(value: T, mask: Mask): T {
  const text = JSON.stringify(value) ?? "";
  // Most values contain no secret, and are not decoded.
  return mask.text(text) === text ? value : (deeply(value, mask) as T);
}

function deeply(value: unknown, mask: Mask): unknown {
  if (typeof value === "string") {
    return mask.text(value);
  }
  if (Array.isArray(value)) {
    return value.map((item) => deeply(item, mask));
  }
  return typeof value === "object" && value !== null
    ? Object.fromEntries(
        Object.entries(value).map(([name, item]) => [mask.text(name), deeply(item, mask)]),
      )
    : value;
}

/** One field: names are foreign too, and a binary value is masked in its decoded form. */
export function maskField(name: string, value: string, mask: Mask): [name: string, value: string] {
  return [
    mask.text(name),
    name.endsWith("-bin")
      ? // Several values of a field are joined.
        value
          .split(/, */)
          .map((one) => maskBase64(one, mask))
          .join(", ")
      : mask.text(value),
  ];
}

function maskMetadata(error: ConnectError, mask: Mask): void {
  const metadata = new Headers();
  for (const [name, value] of error.metadata) {
    metadata.append(...maskField(name, value, mask));
  }
  Object.assign(error, { metadata });
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

function maskBase64(value: string, mask: Mask): string {
  try {
    const bytes = Uint8Array.from(atob(value), (character) => character.charCodeAt(0));
    const masked = mask.bytes(bytes);
    return masked === bytes ? mask.text(value) : btoa(String.fromCharCode(...masked));
  } catch {
    return mask.text(value);
  }
}
