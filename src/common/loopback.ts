/**
 * Whether a host is loopback: RFC 6761 section 6.3 for the names, RFC 5735 and RFC 4291 for the addresses.
 */
export function isLoopback(hostname: string): boolean {
  return /^((.+\.)?localhost\.?|127(\.\d+){3}|\[::1\])$/.test(hostname);
}
