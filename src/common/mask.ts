import { decodings } from "./decodings.js";

/** Replaces secrets in foreign text. */
export interface Mask {
  /**
   * The text with `***` for each secret, in any encoding, and for each part of 8 characters or more. A text of
   * more than 65,536 characters is shortened.
   */
  text(text: string): string;
  /** The same for bytes, whose number is kept, so that an encoded message stays readable. */
  bytes(bytes: Uint8Array): Uint8Array;
}

/** Shorter parts reveal too little of a secret, and would match ordinary words. */
const partLength = 8;
/** Anything shorter occurs in every text. */
const minLength = 4;
/** A hostile server must not keep the program busy for seconds with the text of an error. */
const maxLength = 65_536;
/** Leaves room for the note, so that a shortened text is not shortened again. Header fields hold ASCII alone. */
const keptLength = maxLength - 64;

/**
 * Creates a mask for secrets: verbatim, percent-encoded, form-encoded, JSON-escaped, HTML-escaped, in hex, and
 * in base64 and base64url at each alignment. It is case-insensitive, since servers change the case.
 */
export function createMask(secrets: Iterable<string>): Mask {
  const parts = new Set<string>();
  const wholes = new Set<string>();
  for (const secret of secrets) {
    for (const form of secret.length < minLength ? [] : encodings(secret)) {
      const text = lowerCase(form);
      if (text.length < partLength) {
        wholes.add(text);
      }
      for (let at = 0; at + partLength <= text.length; at++) {
        parts.add(text.slice(at, at + partLength));
      }
    }
  }
  if (parts.size + wholes.size === 0) {
    return { text: (text) => text, bytes: (bytes) => bytes };
  }
  const find = (text: string) => spans(text, parts, wholes);
  return {
    text: (text) => {
      const kept = text.length > maxLength ? text.slice(0, keptLength) : text;
      let masked = "";
      let end = 0;
      for (const [from, to] of find(kept)) {
        masked += `${kept.slice(end, from)}***`;
        end = to;
      }
      masked += kept.slice(end);
      return kept === text ? masked : `${masked}... (${text.length} characters)`;
    },
    bytes: (bytes) => {
      const found = find(latin1(bytes.subarray(0, maxLength)));
      if (bytes.length > maxLength) {
        found.push([maxLength, bytes.length]);
      }
      if (found.length === 0) {
        return bytes;
      }
      const masked = bytes.slice();
      for (const [from, to] of found) {
        masked.fill(0x2a, from, to);
      }
      return masked;
    },
  };
}

type Span = [from: number, to: number];

/** The positions of secrets, in order and without overlap. */
function spans(text: string, parts: ReadonlySet<string>, wholes: ReadonlySet<string>): Span[] {
  const found: Span[] = [];
  for (const { text: decoded, at } of decodings(text)) {
    const searched = lowerCase(decoded);
    const add = (from: number, to: number) =>
      found.push(at === undefined ? [from, to] : [at[from] ?? 0, at[to] ?? text.length]);
    for (let from = 0; from < searched.length; from++) {
      if (parts.has(searched.slice(from, from + partLength))) {
        add(from, from + partLength);
      }
      for (const whole of wholes) {
        if (searched.startsWith(whole, from)) {
          add(from, from + whole.length);
        }
      }
    }
  }
  return merge(found);
}

function merge(found: Span[]): Span[] {
  const merged: Span[] = [];
  for (const [from, to] of found.sort(([a], [b]) => a - b)) {
    const last = merged.at(-1);
    if (last !== undefined && from <= last[1]) {
      last[1] = Math.max(last[1], to);
    } else {
      merged.push([from, to]);
    }
  }
  return merged;
}

/** How a secret may look once the escapes of a text are decoded. */
function encodings(secret: string): string[] {
  const utf8 = latin1(new TextEncoder().encode(secret));
  const base64 = base64Forms(utf8);
  return [
    secret,
    utf8,
    // In forms, and with line breaks in JSON.
    utf8.replaceAll(" ", "+"),
    JSON.stringify(secret).slice(1, -1),
    hex(utf8),
    ...base64,
    ...base64.map((form) => form.replaceAll("+", "-").replaceAll("/", "_")),
  ];
}

function hex(bytes: string): string {
  return bytes.replace(/[\s\S]/g, (byte) => byte.charCodeAt(0).toString(16).padStart(2, "0"));
}

/** The encoding of a secret inside a longer text: without the characters that it shares with its neighbors. */
function base64Forms(bytes: string): string[] {
  const alone = btoa(bytes).replace(/=+$/, "");
  return bytes.length < partLength
    ? [alone]
    : [0, 1, 2].map((offset) =>
        btoa("\0".repeat(offset) + bytes)
          .replace(/.?=+$/, "")
          .slice(offset && offset + 1),
      );
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) {
    text += String.fromCharCode(byte);
  }
  return text;
}

/** Only of ASCII: other letters may change their length. */
function lowerCase(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
