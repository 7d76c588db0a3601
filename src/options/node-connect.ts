/**
 * The options of Node's `http2.connect` that matter to a client. They are written out because the types
 * of this package must load in browser projects, which lack the types of Node. Any other option of
 * `http2.SecureClientSessionOptions` is passed through.
 */
export interface NodeConnectOptions {
  /** Certificate authorities to trust instead of Node's own, PEM. */
  ca?: string | Uint8Array | (string | Uint8Array)[] | undefined;
  /** The client's certificate chain, PEM. */
  cert?: string | Uint8Array | (string | Uint8Array)[] | undefined;
  /** The client's private key, PEM. */
  key?: string | Uint8Array | (string | Uint8Array)[] | undefined;
  /** The client's key and certificate as PKCS#12. */
  pfx?: string | Uint8Array | undefined;
  /** The passphrase of `key` or `pfx`. */
  passphrase?: string | undefined;
  /**
   * The name that the server's certificate must have, if it is not the host of `baseUrl`. It takes the host's
   * place in requests as well (`:authority`, `host`), by which ZITADEL chooses the instance.
   */
  servername?: string | undefined;
  /** false accepts any certificate. Only for tests. */
  rejectUnauthorized?: boolean | undefined;
  [option: string]: unknown;
}

/** The host and port that requests name. */
export function authorityOf(
  { host, port, protocol }: URL,
  nodeOptions: NodeConnectOptions | undefined,
): string {
  const servername = protocol === "https:" ? nodeOptions?.servername : undefined;
  return servername ? `${servername}${port && `:${port}`}` : host;
}
