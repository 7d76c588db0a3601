import { expect } from "vitest";

export function maskHost(text: string): string {
  return text.replaceAll(/localhost:\d+|127\.0\.0\.1:\d+/g, "host:port");
}

/** Headers and what of them is the same at every server and every time. */
export function comparable(headers: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(headers)) {
    const text = maskHost(String(value));
    switch (name) {
      case ":status":
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
