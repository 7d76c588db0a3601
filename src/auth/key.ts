import { kindOf } from "../options/checker.js";

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
    ? parse(new TextDecoder().decode(key))
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
  const pkcs8 = typeof privateKey === "string" ? readPrivateKey(privateKey) : undefined;
  if (pkcs8 === undefined) {
    throw new TypeError(
      `key.key must be an RSA private key in PEM (BEGIN RSA PRIVATE KEY or BEGIN PRIVATE KEY), complete, not encrypted, of 2048 bits or more; got ${kindOf(privateKey)}`,
    );
  }
  const date = typeof expirationDate === "string" ? expirationDate : "";
  const expiresAtMs = expirationDate ? Date.parse(date) : Infinity;
  if (Number.isNaN(expiresAtMs)) {
    throw new TypeError(
      `key.expirationDate must be a date such as "2030-01-31T12:00:00Z"; got ${kindOf(expirationDate)}`,
    );
  }
  return {
    keyId: textField("keyId", keyId),
    userId: textField("userId", userId),
    expiresAtMs,
    privateKey: pkcs8,
  };
}

function parse(text: string): unknown {
  // A byte order mark, and what becomes of UTF-16 (of PowerShell) that is read as UTF-8: a zero byte in each
  // character. Key files are ASCII.
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

const pem =
  /^\s*-----BEGIN (RSA )?PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END (?:RSA )?PRIVATE KEY-----\s*$/;

/**
 * Reads an RSA private key in PEM: PKCS#8 ("BEGIN PRIVATE KEY"), or PKCS#1 ("BEGIN RSA PRIVATE KEY") as in
 * ZITADEL's key files, which WebCrypto does not support.
 *
 * @returns the key as PKCS#8 in DER, or undefined for anything else.
 */
function readPrivateKey(text: string): Uint8Array<ArrayBuffer> | undefined {
  // Line breaks are often escaped when a key was passed in an environment variable.
  const [, isPkcs1, base64 = ""] = pem.exec(text.replaceAll("\\n", "\n")) ?? [];
  try {
    const der = fromBase64(base64);
    // The header of PrivateKeyInfo before its RSAPrivateKey: RFC 5208, section 5.
    const rsa = isPkcs1 ? der : der.subarray(26);
    if (!isLongEnough(rsa)) {
      return undefined;
    }
    return isPkcs1 ? wrap(rsa) : der;
  } catch {
    return undefined;
  }
}

/**
 * Whether this is an RSAPrivateKey, RFC 8017 appendix A.1, that is complete and has 2048 bits or more: SEQUENCE
 * { INTEGER 0, INTEGER modulus, … }, whose lengths have two octets then.
 */
function isLongEnough(rsa: Uint8Array): boolean {
  const [, , high = 0, low = 0, , , , , , modulusHigh = 0, modulusLow = 0] = rsa;
  const octets = modulusHigh * 256 + modulusLow;
  const tags = [0x30, 0x82, high, low, 0x02, 1, 0, 0x02, 0x82];
  return (
    tags.every((octet, at) => rsa[at] === octet) &&
    rsa.length === 4 + high * 256 + low &&
    // A modulus whose first bit is set has an octet of zeros before it.
    octets > 2048 / 8
  );
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
