/**
 * The cause of a TLS failure and what to do about it, for an error of Node or OpenSSL; undefined for other
 * errors. Alerts of the server have a code in some places and only a text in others.
 */
export function tlsFailure(error: Error): string | undefined {
  const code = "code" in error ? String(error.code) : "";
  const [, advice] = failures.find(([pattern]) => pattern.test(`${code} ${error.message}`)) ?? [];
  if (advice === undefined) {
    return undefined;
  }
  // OpenSSL's text has addresses and source files around the message.
  const [, reason] = /:SSL routines:[^:]*:([^:]+):/.exec(error.message) ?? [];
  return `${reason ?? error.message}. ${advice}`;
}

const failures: readonly (readonly [RegExp, string])[] = [
  [
    /^CERT_HAS_EXPIRED/,
    "The server's certificate has to be renewed, or this machine's clock is wrong",
  ],
  [/^CERT_NOT_YET_VALID/, "This machine's clock may be wrong"],
  [
    /^ERR_TLS_CERT_ALTNAME_INVALID/,
    "The certificate is for another name: set baseUrl to one that it has, or nodeOptions.servername to the name it must have",
  ],
  [
    /^(?:DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_GET_ISSUER_CERT|UNABLE_TO_VERIFY_LEAF_SIGNATURE)/,
    "Trust the authority that signed the certificate: set nodeOptions.ca, or NODE_EXTRA_CA_CERTS for the whole program",
  ],
  [
    /alert (?:certificate required|handshake failure)/,
    "The server may ask for a client certificate: set nodeOptions.cert and nodeOptions.key",
  ],
  [
    /alert (?:unknown ca|bad certificate|certificate unknown|certificate expired)/,
    "The server does not trust the client certificate of nodeOptions.cert",
  ],
  [
    /alert no application protocol/,
    "The server does not speak HTTP/2 on this port, which gRPC needs; gRPC-web and JSON do without",
  ],
  [
    /wrong version number|packet length too long/,
    "The server does not speak TLS on this port: is it http:// instead of https://?",
  ],
];
