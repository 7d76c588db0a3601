/**
 * The path to which the server redirects one with empty or dot segments, percent-encoded or not: without
 * them, as Go encodes paths. Undefined for any other path.
 */
export function redirectPath(path: string): string | undefined {
  const decoded = decodePath(path);
  if (decoded === undefined || !/\/\/|\/\.\.?(\/|$)/.test(decoded)) {
    return undefined;
  }
  const segments: string[] = [];
  for (const segment of decoded.split("/")) {
    if (segment === "..") {
      segments.pop();
    } else if (segment !== "" && segment !== ".") {
      segments.push(segment);
    }
  }
  const cleaned = `/${segments.join("/")}${decoded.endsWith("/") && segments.length > 0 ? "/" : ""}`;
  return encodeURI(cleaned).replace(
    /[?#!*'()]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** Undefined for a path whose percent-encoding is invalid, or that is not UTF-8. */
export function decodePath(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}
