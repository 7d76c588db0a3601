/** Names and values alternate. Node processes a list faster than an object: a twentieth of a call. */
export type HeaderList = string[];

export const headerTimeout = "grpc-timeout";

/**
 * Sets `grpc-timeout`, which is the last item of a new list; without a limit, it is sent only if it has a
 * value.
 */
export function setTimeoutHeader(header: HeaderList, value: string | undefined): void {
  if (value !== undefined) {
    header[header.length - 1] = value;
  } else if (header.at(-2) === headerTimeout && header.at(-1) === "") {
    header.length -= 2;
  }
}

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

/** Since Node 22.17 and 24.2. */
const takesLists = major === 22 ? minor >= 17 : major === 24 ? minor >= 2 : major > 24;

/** The list as this version of Node expects it. */
export function forNode(header: HeaderList): HeaderList | Record<string, string> {
  if (takesLists) {
    return header;
  }
  const object: Record<string, string> = Object.create(null);
  for (let at = 0; at < header.length; at += 2) {
    object[header[at] ?? ""] = header[at + 1] ?? "";
  }
  return object;
}

/** The largest header block that Node sends (`maxSendHeaderBlockLength`). */
const nodeLimitBytes = 65_536;

/** The size of a header list as HTTP/2 counts it: https://www.rfc-editor.org/rfc/rfc9113#section-6.5.2 */
function headerListBytes(header: HeaderList): number {
  let bytes = 16 * header.length;
  for (const text of header) {
    // Values contain only Latin-1 characters.
    bytes += text.length;
  }
  return bytes;
}

/** Why the server would reject these headers, by its SETTINGS. */
export function tooLargeForServer(header: HeaderList, limitBytes: number): string | undefined {
  const bytes = headerListBytes(header);
  return bytes > limitBytes
    ? problem(bytes, `the ${limitBytes} that the server allows`)
    : undefined;
}

/** Why Node did not send headers that it reports as refused by the server. */
export function tooLargeForNode(header: HeaderList): string | undefined {
  const bytes = headerListBytes(header);
  return bytes > nodeLimitBytes
    ? problem(bytes, `the ${nodeLimitBytes} that Node sends`)
    : undefined;
}

function problem(bytes: number, limit: string): string {
  return `the headers of the request have ${bytes} bytes, more than ${limit}; it was not sent`;
}
