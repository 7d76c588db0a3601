/**
 * Whether a host is loopback: RFC 5735 and RFC 4291 for the addresses, RFC 6761 section 6.3 for the names.
 * Names under `localhost` are only in browsers, which never ask DNS for them; other platforms do.
 */
export function isLoopback(hostname: string): boolean {
  return (
    (isBrowser() ? /^(?:.+\.)?localhost\.?$/ : /^localhost$/).test(hostname) ||
    /^(?:127(?:\.\d+){3}|\[::1\])$/.test(hostname)
  );
}

/** A test with a DOM for Node has a document as well. */
function isBrowser(): boolean {
  return typeof document !== "undefined" && globalThis.process?.versions?.node === undefined;
}
