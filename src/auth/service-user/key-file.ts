import { kindOf } from "../../options/checker.js";
import { modulusBits, readPrivateKey } from "./private-key.js";

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
 * @param key the content of a key file, parsed or as text.
 * @throws TypeError naming the field, never its value.
 */
export function readKeyFile(key: ServiceUserKey | string): CheckedKey {
  const fields = typeof key === "string" ? parse(key) : key;
  const isBytes = ArrayBuffer.isView(fields);
  if (typeof fields !== "object" || fields === null || isBytes) {
    throw new TypeError(
      `key must be the key file of a service user, as an object or its JSON text; got ${isBytes ? 'bytes: read the file as text ("utf8")' : kindOf(fields)}`,
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

function parse(json: string): unknown {
  try {
    // Some editors and shells prepend a byte order mark.
    return JSON.parse(json.replace(/^\uFEFF/, ""));
  } catch {
    // The parser's message would quote the text.
    throw new TypeError(
      `key must be the key file of a service user, as an object or its JSON text; got ${kindOf(json)} that is not JSON${json.length < 256 ? " (is it the file's name? Its content is meant)" : ""}`,
    );
  }
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
