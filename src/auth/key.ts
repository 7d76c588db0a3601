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
  const der = typeof privateKey === "string" ? readPrivateKey(privateKey) : undefined;
  const bits = der && modulusBits(der);
  if (bits !== undefined && bits < minModulusBits) {
    throw new TypeError(
      `key.key is an RSA key of ${bits} bits; ZITADEL and RS256 (RFC 7518, section 3.3) need ${minModulusBits} or more: make a new key in ZITADEL`,
    );
  }
  if (der === undefined || bits === undefined) {
    throw new TypeError(
      `key.key must be an RSA private key in PEM (BEGIN RSA PRIVATE KEY or BEGIN PRIVATE KEY), not encrypted; got ${kindOf(privateKey)}`,
    );
  }
  return {
    keyId: textField("keyId", keyId),
    userId: textField("userId", userId),
    expiresAtMs: dateField(expirationDate),
    privateKey: der,
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

/** SEQUENCE { OID 1.2.840.113549.1.1.1 (rsaEncryption), NULL }, RFC 8017 appendix A.1. */
const rsaEncryption = [
  0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];
const versionZero = [0x02, 0x01, 0x00];
const tagSequence = 0x30;
const tagInteger = 0x02;
const tagOctetString = 0x04;

const pem =
  /^\s*-----BEGIN (RSA )?PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END (?:RSA )?PRIVATE KEY-----\s*$/;

/**
 * Reads an RSA private key in PEM: PKCS#8 ("BEGIN PRIVATE KEY"), or PKCS#1 ("BEGIN RSA PRIVATE KEY") as in
 * ZITADEL's key files, which WebCrypto does not support.
 *
 * @returns the key as PKCS#8 in DER, or undefined for anything else.
 */
export function readPrivateKey(text: string): Uint8Array<ArrayBuffer> | undefined {
  // Line breaks are often escaped when a key was passed in an environment variable.
  const [, pkcs1, base64] = pem.exec(text.replaceAll("\\n", "\n")) ?? [];
  if (base64 === undefined) {
    return undefined;
  }
  let der: Uint8Array<ArrayBuffer>;
  try {
    der = fromBase64(base64);
  } catch {
    return undefined;
  }
  if (der[0] !== tagSequence) {
    return undefined;
  }
  return pkcs1 === undefined ? der : wrap(der);
}

/** The size of an RSA key in PKCS#8; undefined if it is incomplete, or not an RSA key. */
export function modulusBits(pkcs8: Uint8Array): number | undefined {
  const info = contentOf(pkcs8, 0, tagSequence);
  const algorithm = info && contentOf(pkcs8, info.start + versionZero.length, tagSequence);
  const wrapped = algorithm && contentOf(pkcs8, algorithm.end, tagOctetString);
  const key = wrapped && contentOf(pkcs8, wrapped.start, tagSequence);
  const modulus = key && contentOf(pkcs8, key.start + versionZero.length, tagInteger);
  if (modulus === undefined) {
    return undefined;
  }
  const digits = pkcs8.subarray(modulus.start, modulus.end);
  const first = digits.findIndex((octet) => octet !== 0);
  return first < 0 ? undefined : (digits.length - first) * 8 - Math.clz32(digits[first] ?? 0) + 24;
}

/** The range of an element's content; undefined if it is another element or truncated. */
function contentOf(
  der: Uint8Array,
  at: number,
  tag: number,
): { readonly start: number; readonly end: number } | undefined {
  const short = der[at + 1] ?? 0;
  const octets = short < 0x80 ? 0 : short & 0x7f;
  const start = at + 2 + octets;
  const length = der.subarray(at + 2, start).reduce((sum, octet) => sum * 256 + octet, 0);
  const end = start + (octets === 0 ? short : length);
  return der[at] === tag && end <= der.length ? { start, end } : undefined;
}

/** PrivateKeyInfo around an RSAPrivateKey: RFC 5208, section 5. */
function wrap(rsaPrivateKey: Uint8Array): Uint8Array<ArrayBuffer> {
  return element(tagSequence, [
    ...versionZero,
    ...rsaEncryption,
    ...element(tagOctetString, rsaPrivateKey),
  ]);
}

/** Tag, length, content: X.690, section 8.1. */
function element(
  tag: number,
  content: ArrayLike<number> & Iterable<number>,
): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([tag, ...lengthOctets(content.length), ...content]);
}

function lengthOctets(length: number): number[] {
  if (length < 0x80) {
    return [length];
  }
  const octets: number[] = [];
  for (let rest = length; rest > 0; rest >>= 8) {
    octets.unshift(rest & 0xff);
  }
  return [0x80 | octets.length, ...octets];
}

/** @throws for any other text. */
function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const base64 = text.replace(/\s/g, "").replaceAll("-", "+").replaceAll("_", "/");
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
