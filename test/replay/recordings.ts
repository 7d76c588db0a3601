import { readFileSync } from "node:fs";
import type { Generation } from "../../src/sandbox/index.js";

/** One exchange with a real ZITADEL. */
export interface Exchange {
  readonly request: {
    readonly method?: string;
    readonly path?: string;
    readonly headers?: Readonly<Record<string, string>>;
    /** Base64, without the frame of gRPC. */
    readonly message?: string;
    readonly fields?: {
      readonly userId?: string;
      readonly grantId?: string | readonly string[];
    };
    /** The JSON, over that protocol. */
    readonly body?: string;
    readonly note?: string;
  };
  readonly response: {
    readonly status?: number;
    readonly headers: Readonly<Record<string, string | number | readonly string[]>>;
    readonly trailers: Readonly<Record<string, string>> | null;
    readonly body: string;
    readonly bodyEncoding?: "base64" | "utf8";
  };
}

/** The exchanges of one file, by name; of the newer ZITADEL unless told otherwise. */
export function readRecordings(name: string, generation: Generation = "v4"): [string, Exchange][] {
  const url = new URL(`../recordings/${generation}/${name}.json`, import.meta.url);
  return Object.entries(JSON.parse(readFileSync(url, "utf8")));
}

/** The organization that the recorded calls go to. */
export function homeOrgIdOf(generation: Generation): string {
  const exchange = readRecordings("json", generation).find(
    ([name]) => name === "deactivate/org-header",
  )?.[1];
  return exchange?.request.headers?.["x-zitadel-orgid"] ?? "";
}

/** Ids that the recorded server knew: 18 digits, and not the one that was made up. */
export function isKnownId(id: string): boolean {
  return /^\d{18}$/.test(id) && id !== "999999999999999999";
}

export function grantIdsOf({ request }: Exchange): string[] {
  if (request.body !== undefined) {
    return [...`${request.path} ${request.body}`.matchAll(/\bgrants\/(\d+)|"(\d+)"/g)].map(
      ([, inPath, inBody]) => inPath ?? inBody ?? "",
    );
  }
  const { grantId = [] } = request.fields ?? {};
  return typeof grantId === "string" ? [grantId] : [...grantId];
}

export function statusOf({ response }: Exchange): number {
  return response.status ?? Number(response.headers[":status"]);
}

export function bodyOf({ response }: Exchange): Buffer {
  return Buffer.from(response.body, response.bodyEncoding ?? defaultEncoding(response));
}

/** Recordings of JSON without an encoding hold the text itself. */
function defaultEncoding({ body }: Exchange["response"]): "base64" | "utf8" {
  return body.startsWith("{") ? "utf8" : "base64";
}
