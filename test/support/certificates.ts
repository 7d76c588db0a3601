import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";

export interface Certificate {
  /** PEM. */
  cert: string;
  key: string;
  name: string;
  privateKey: KeyObject;
}

export interface CertificateRequest {
  /** The common name. */
  name: string;
  /** Who signs; itself when left out. */
  issuer?: Certificate;
  isAuthority?: boolean;
  dnsNames?: string[];
  /** IPv4 addresses. */
  addresses?: string[];
  notBefore?: Date;
  notAfter?: Date;
}

const dayMs = 86_400_000;

/** Makes an X.509 certificate (RFC 5280) with an ECDSA key: Node can read them and has nothing to make them. */
export function makeCertificate(request: CertificateRequest): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const { name, issuer, notBefore, notAfter } = request;
  const ecdsaWithSha256 = sequence(oid("1.2.840.10045.4.3.2"));
  const body = sequence(
    der(0xa0, integer(Buffer.of(2))),
    integer(Buffer.concat([Buffer.of(1), randomBytes(15)])),
    ecdsaWithSha256,
    commonName(issuer?.name ?? name),
    sequence(
      time(notBefore ?? new Date(Date.now() - dayMs)),
      time(notAfter ?? new Date(Date.now() + dayMs)),
    ),
    commonName(name),
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, sequence(...extensions(request))),
  );
  const signature = sign("sha256", body, issuer?.privateKey ?? privateKey);
  const certificate = sequence(
    body,
    ecdsaWithSha256,
    der(0x03, Buffer.concat([Buffer.of(0), signature])),
  );
  const lines = certificate.toString("base64").replace(/.{64}(?=.)/g, "$&\n");
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    name,
    privateKey,
  };
}

function extensions({ isAuthority, dnsNames, addresses }: CertificateRequest): Buffer[] {
  const names = [
    ...(dnsNames ?? []).map((dnsName) => der(0x82, Buffer.from(dnsName))),
    ...(addresses ?? []).map((address) => der(0x87, Buffer.from(address.split(".").map(Number)))),
  ];
  const basicConstraints = sequence(...(isAuthority ? [der(0x01, Buffer.of(0xff))] : []));
  return [
    sequence(oid("2.5.29.19"), der(0x04, basicConstraints)),
    ...(names.length > 0 ? [sequence(oid("2.5.29.17"), der(0x04, sequence(...names)))] : []),
  ];
}

function commonName(name: string): Buffer {
  return sequence(der(0x31, sequence(oid("2.5.4.3"), der(0x0c, Buffer.from(name)))));
}

function time(date: Date): Buffer {
  return der(0x18, Buffer.from(`${date.toISOString().replace(/[-:T]|\..*/g, "")}Z`));
}

function sequence(...parts: Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts));
}

function integer(bytes: Buffer): Buffer {
  return der(0x02, bytes);
}

function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes = [first * 40 + second];
  for (const part of rest) {
    const digits = [part & 127];
    for (let left = part >>> 7; left > 0; left >>>= 7) {
      digits.unshift((left & 127) | 128);
    }
    bytes.push(...digits);
  }
  return der(0x06, Buffer.from(bytes));
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const prefix =
    length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.of(tag, ...prefix), content]);
}
