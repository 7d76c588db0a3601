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
    der = Uint8Array.from(atob(base64.replace(/\s/g, "")), (character) => character.charCodeAt(0));
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
