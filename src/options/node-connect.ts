/**
 * What `http2.connect` takes, as far as it concerns a client. Written out here because the types of
 * this package must load in browser projects, which have no types of Node. Anything else that Node's
 * `http2.SecureClientSessionOptions` names is passed on as well.
 */
export interface NodeConnectOptions {
  /** Certificate authorities to trust in place of Node's own, PEM. */
  ca?: string | Uint8Array | (string | Uint8Array)[] | undefined;
  /** The client's certificate chain, PEM. */
  cert?: string | Uint8Array | (string | Uint8Array)[] | undefined;
  /** The client's private key, PEM. */
  key?: string | Uint8Array | (string | Uint8Array)[] | undefined;
  /** The client's key and certificate as PKCS#12. */
  pfx?: string | Uint8Array | undefined;
  /** Opens `key` or `pfx`. */
  passphrase?: string | undefined;
  /** The name that the server's certificate must have, where it is not the host of `baseUrl`. */
  servername?: string | undefined;
  /** false trusts any certificate: only ever for tests. */
  rejectUnauthorized?: boolean | undefined;
  [option: string]: unknown;
}
