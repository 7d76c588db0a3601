import { kindOf } from "../options/checker.js";

const minModulusBits = 2048;

/** The key file of a service user, as issued by ZITADEL. */
export interface ServiceUserKey {
  type: "serviceaccount";
  keyId: string;
  /** PEM, PKCS#1 or PKCS#8. */
  key: string;
  /** When the key expires, as an ISO 8601 date. */
  expirationDate?: string | undefined;
  userId: string;
}

/** A parsed key file. */
export interface CheckedKey {
  readonly keyId: string;
  readonly userId: string;
  readonly expiresAtMs: number;
  /** PKCS#8, DER. */
  readonly privateKey: Uint8Array<ArrayBuffer>;
}

/**
 * @param key the content of a key file: parsed, as text, or as bytes.
 * @throws TypeError naming the field, never its value.
 */
export function readKeyFile(key: ServiceUserKey | string | Uint8Array): CheckedKey {
  const fields = ArrayBuffer.isView(key)
    ? parse(decode(key))
    : typeof key === "string"
      ? parse(key)
      : key;
  if (typeof fields !== "object" || fields === null) {
    throw new TypeError(
      `key must be the key file of a service user, as an object or its JSON text; got ${kindOf(fields)}`,
    );
  }
  const {
    type,
    keyId,
    key: privateKey,
    expirationDate,
    userId,
    // Nothing that is inherited.
  } = { __proto__: null, ...fields } as Record<string, unknown>;
  if (type === "application") {
    throw new TypeError(
      "key must be the key file of a service user; this is the key of an application, which cannot call ZITADEL's APIs for itself",
    );
  }
  if (type !== "serviceaccount") {
    throw new TypeError(
      `key.type must be "serviceaccount", as in ZITADEL's key files; got ${kindOf(type)}`,
    );
  }
  const { bits, pkcs8 } =
    (typeof privateKey === "string" ? readPrivateKey(privateKey) : undefined) ?? {};
  if (bits !== undefined && bits < minModulusBits) {
    throw new TypeError(
      `key.key is an RSA key of ${bits} bits; ZITADEL and RS256 (RFC 7518, section 3.3) need ${minModulusBits} or more: make a new key in ZITADEL`,
    );
  }
  if (pkcs8 === undefined) {
    throw new TypeError(
      `key.key must be an RSA private key in PEM (BEGIN RSA PRIVATE KEY or BEGIN PRIVATE KEY), not encrypted; got ${kindOf(privateKey)}`,
    );
  }
  return {
    keyId: textField("keyId", keyId),
    userId: textField("userId", userId),
    expiresAtMs: dateField(expirationDate),
    privateKey: pkcs8,
  };
}

/** PowerShell writes UTF-16, with a byte order mark. */
function decode(bytes: Uint8Array): string {
  const [first = 0, second = 0] = bytes;
  const encoding =
    first === 0xfe && second === 0xff
      ? "utf-16be"
      : first === 0xff || second === 0
        ? "utf-16le"
        : "utf-8";
  return new TextDecoder(encoding).decode(bytes);
}

function parse(text: string): unknown {
  // A byte order mark, and what becomes of UTF-16 that is read as UTF-8: a zero byte in each character.
  const json = text.replace(/^[\uFEFF\uFFFD]+|\0/g, "").trim();
  const spellings = [
    () => json,
    // Environment variables and secret stores unescape the line breaks of the PEM text.
    () => json.replace(/-----BEGIN[^"]+/, (pem) => pem.replace(/\r?\n/g, "\\n")),
    () => new TextDecoder().decode(fromBase64(json)),
  ];
  for (const spelling of spellings) {
    try {
      return JSON.parse(spelling());
    } catch {
      // The parser's message would quote the text.
    }
  }
  throw new TypeError(
    `key must be the key file of a service user, as an object or its JSON text; got ${kindOf(text)} that is not JSON${text.length < 256 ? " (is it the file's name? Its content is meant)" : ""}`,
  );
}

function textField(name: string, value: unknown): string {
  if (typeof value !== "string" || value === "") {
    throw new TypeError(`key.${name} must be a string that is not empty; got ${kindOf(value)}`);
  }
  return value;
}

function dateField(value: unknown): number {
  if (value === undefined || value === null || value === "") {
    return Number.POSITIVE_INFINITY;
  }
  const ms = typeof value === "string" ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(ms)) {
    throw new TypeError(
      `key.expirationDate must be a date such as "2030-01-31T12:00:00Z"; got ${kindOf(value)}`,
    );
  }
  return ms;
}

const pem =
  /^\s*-----BEGIN (RSA )?PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END (?:RSA )?PRIVATE KEY-----\s*$/;

/**
 * Reads an RSA private key in PEM: PKCS#8 ("BEGIN PRIVATE KEY"), or PKCS#1 ("BEGIN RSA PRIVATE KEY") as in
 * ZITADEL's key files, which WebCrypto does not support.
 *
 * @returns the key as PKCS#8 in DER and the size of its modulus, or undefined for anything else.
 */
function readPrivateKey(text: string) {
  // Line breaks are often escaped when a key was passed in an environment variable.
  const [, isPkcs1, base64 = ""] = pem.exec(text.replaceAll("\\n", "\n")) ?? [];
  let der: Uint8Array<ArrayBuffer>;
  try {
    der = fromBase64(base64);
  } catch {
    return undefined;
  }
  // The header of PrivateKeyInfo before its RSAPrivateKey: RFC 5208, section 5. Lengths have two octets.
  const rsa = isPkcs1 ? der : der.subarray(26);
  const bits = modulusBits(rsa);
  return bits === undefined ? undefined : { bits, pkcs8: isPkcs1 ? wrap(rsa) : der };
}

/**
 * The size of an RSAPrivateKey, RFC 8017 appendix A.1: SEQUENCE { INTEGER 0, INTEGER modulus, … }. Undefined
 * for a truncated one, or for anything else.
 */
function modulusBits(rsa: Uint8Array): number | undefined {
  const header = (rsa[1] ?? 0) & 0x80 ? 2 + ((rsa[1] ?? 0) & 0x7f) : 2;
  const [version = 0, one, zero, tag, length = 0, high = 0, low = 0] = rsa.subarray(header);
  if (rsa[0] !== 0x30 || version !== 0x02 || one !== 1 || zero !== 0 || tag !== 0x02) {
    return undefined;
  }
  const [octets, start] =
    length === 0x82 ? [high * 256 + low, 7] : length === 0x81 ? [high, 6] : [length, 5];
  const digits = rsa.subarray(header + start, header + start + octets);
  const first = digits.findIndex((octet) => octet !== 0);
  return digits.length < octets || first < 0
    ? undefined
    : (octets - first) * 8 - Math.clz32(digits[first] ?? 0) + 24;
}

/** PrivateKeyInfo { version 0, rsaEncryption, OCTET STRING }: RFC 5208, section 5. */
function wrap(rsa: Uint8Array): Uint8Array<ArrayBuffer> {
  const algorithm = [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 0x05, 0];
  const lengthOf = (octets: number) => [0x82, octets >> 8, octets & 0xff];
  const content = [0x02, 1, 0, ...algorithm, 0x04, ...lengthOf(rsa.length), ...rsa];
  return Uint8Array.from([0x30, ...lengthOf(content.length), ...content]);
}

/** @throws for any other text. */
function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const base64 = text.replace(/\s/g, "").replaceAll("-", "+").replaceAll("_", "/");
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
