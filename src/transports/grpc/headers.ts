import type { IncomingHttpHeaders } from "node:http2";

/** Response headers or trailers as `Headers`, without HTTP/2's pseudo-headers. */
export function webHeaders(...blocks: (IncomingHttpHeaders | undefined)[]): Headers {
  const headers = new Headers();
  for (const block of blocks) {
    for (const name in block) {
      const value = block[name];
      if (name.startsWith(":") || value === undefined) {
        continue;
      }
      if (Array.isArray(value)) {
        for (const one of value) {
          headers.append(name, one);
        }
      } else {
        headers.append(name, value);
      }
    }
  }
  return headers;
}

/** The value of a header; several values are joined as `Headers` joins them. */
export function headerValue(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value.join(", ") : value;
}
