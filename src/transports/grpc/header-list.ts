import type { OutgoingHttpHeaders } from "node:http2";

/** What Node sends at most (`maxSendHeaderBlockLength`). */
const nodeLimitBytes = 65_536;

/** The size of a header list as HTTP/2 counts it: https://www.rfc-editor.org/rfc/rfc9113#section-6.5.2 */
function headerListBytes(header: OutgoingHttpHeaders): number {
  let bytes = 0;
  for (const name in header) {
    const value = header[name];
    if (value !== undefined) {
      // Values hold no characters beyond Latin-1.
      bytes += 32 + name.length + String(value).length;
    }
  }
  return bytes;
}

/** What is wrong with headers that the server would not take, by its SETTINGS. */
export function tooLargeForServer(
  header: OutgoingHttpHeaders,
  limitBytes: number,
): string | undefined {
  const bytes = headerListBytes(header);
  return bytes > limitBytes
    ? problem(bytes, `the ${limitBytes} that the server allows`)
    : undefined;
}

/** What is wrong with headers that Node did not send, and reports as refused by the server. */
export function tooLargeForNode(header: OutgoingHttpHeaders): string | undefined {
  const bytes = headerListBytes(header);
  return bytes > nodeLimitBytes
    ? problem(bytes, `the ${nodeLimitBytes} that Node sends`)
    : undefined;
}

function problem(bytes: number, limit: string): string {
  return `the headers of the request have ${bytes} bytes, more than ${limit}; it was not sent`;
}
