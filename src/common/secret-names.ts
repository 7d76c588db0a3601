const secretName =
  /authorization|cookie|token|secret|passw|passphrase|credential|signature|session|key|(?:^|[-_])(?:auth|pwd|jwt|sig)(?:$|[-_])/i;

/** Whether a header field of this name holds a secret: `authorization`, `x-functions-key`, `cookie`, …. */
export function isSecretName(name: string): boolean {
  return secretName.test(name);
}

/** The secrets in header fields: the value without its scheme, and the decoded HTTP Basic credentials. */
export function secretsOf(fields: Iterable<readonly [string, unknown]>): string[] {
  const secrets: string[] = [];
  for (const [name, value] of fields) {
    if (typeof value !== "string" || !isSecretName(name)) {
      continue;
    }
    const [, scheme = "", secret = ""] = /^(\w+ +)?(.*)$/s.exec(value) ?? [];
    secrets.push(secret);
    if (/^basic /i.test(scheme)) {
      secrets.push(...basicCredentials(secret));
    }
  }
  return secrets;
}

/** RFC 7617: `name:password`. */
function basicCredentials(encoded: string): string[] {
  try {
    const decoded = atob(encoded);
    return [decoded, decoded.slice(decoded.indexOf(":") + 1)];
  } catch {
    return [];
  }
}
