import { generateKeyPairSync } from "node:crypto";
import type { ServiceUserKey } from "../../src/auth/index.js";

/** A private key in PEM, PKCS#1, as ZITADEL hands it out. */
export function makePrivateKey(modulusLength = 2048): string {
  return generateKeyPairSync("rsa", { modulusLength })
    .privateKey.export({ type: "pkcs1", format: "pem" })
    .toString();
}

export const serviceUserKey: ServiceUserKey = {
  type: "serviceaccount",
  keyId: "key-1",
  key: makePrivateKey(),
  userId: "user-1",
};
