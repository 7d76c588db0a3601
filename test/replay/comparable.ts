import { expect } from "vitest";

/**
 * What of headers or trailers is the same at every server and every time. A message counts only where it is
 * ZITADEL's own, which has an id: all others are words of the libraries that it is built with.
 */
export function comparable(headers: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(headers)) {
    const text = String(value);
    switch (name) {
      case ":status":
      case "content-length":
      case "transfer-encoding":
      case "www-authenticate":
        break;
      case "grpc-message":
        if (headers["grpc-status-details-bin"] !== undefined) {
          result[name] = text;
        }
        break;
      case "date":
      case "expires":
      case "grpc-metadata-expires":
        expect(new Date(text).toUTCString()).toBe(text);
        result[name] = "a date";
        break;
      case "x-request-id":
        expect(text).toMatch(/^[0-9a-v]{20}$/);
        result[name] = "a request id";
        break;
      case "access-control-expose-headers":
        result[name] = [...new Set(text.split(", "))].sort();
        break;
      case "set-cookie":
        result[name] = text.replace(/(zitadel\.useragent=)[^;]+/, "$1…");
        break;
      default:
        result[name] = text;
    }
  }
  return result;
}

/** The same of a JSON body; dates and sequences differ by their nature, and so does the id of what is added. */
export function comparableJson(body: Buffer): unknown {
  const text = body.toString();
  if (!text.startsWith("{")) {
    return text;
  }
  const json = JSON.parse(text, (name, value) => {
    const isDate = typeof value === "string" && /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value);
    return isDate || name === "sequence" || name === "userGrantId" ? "…" : value;
  });
  const { message, ...rest } = json;
  return json.code !== undefined && json.details === undefined ? rest : { ...rest, message };
}
