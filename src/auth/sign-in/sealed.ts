import type { Session } from "./session.js";
import { decodeBase64Url } from "./user.js";

/** A session that only copies of it can read. */
export interface Sealed {
  readonly iv: Uint8Array<ArrayBuffer>;
  readonly data: ArrayBuffer;
}

const name = "AES-GCM";

export async function seal(session: Session): Promise<Sealed> {
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const data = new TextEncoder().encode(JSON.stringify(session));
  return { iv, data: await crypto.subtle.encrypt({ name, iv }, await keyOf(session), data) };
}

/** Undefined for what was sealed with another key. */
export async function unseal(sealed: Sealed, own: Session): Promise<Session | undefined> {
  try {
    const { iv, data } = sealed;
    const bytes = await crypto.subtle.decrypt({ name, iv }, await keyOf(own), data);
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}

function keyOf({ shareKey }: Session): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", decodeBase64Url(shareKey), name, false, [
    "encrypt",
    "decrypt",
  ]);
}
