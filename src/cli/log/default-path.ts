import { platform, timestamp } from "../../common/environment.js";

/** Where a run writes its log when no path is given: in the working directory, named after the time. */
export function defaultLogPath(): string {
  const time = timestamp(platform)
    .replace(/[-:]/g, "")
    .replace(/\.(\d+)Z$/, "-$1Z");
  return `./zitadel-user-grants-${time}.jsonl`;
}
