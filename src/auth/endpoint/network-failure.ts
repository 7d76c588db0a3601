/** The message of a failed fetch, and that of its cause, where Node puts the system's error. */
export function describeFailure(reason: unknown): string {
  if (!(reason instanceof Error)) {
    return "fetch failed";
  }
  const { cause } = reason;
  const detail = cause instanceof Error ? cause.message || errorCode(cause) : "";
  return detail ? `${reason.message}: ${detail}` : reason.message;
}

/** No retry makes a certificate valid. The codes are those of Node and OpenSSL. */
export function isCertificateProblem(reason: unknown): boolean {
  return (
    reason instanceof Error &&
    /CERT|SELF_SIGNED|UNABLE_TO_(?:GET_ISSUER|VERIFY)|TLS_CERT/.test(errorCode(reason.cause))
  );
}

function errorCode(error: unknown): string {
  return String((error as { code?: unknown } | undefined)?.code ?? "");
}
