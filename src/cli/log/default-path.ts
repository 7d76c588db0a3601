/** Where a run writes its log when no path is given: in the working directory, named after the time. */
export function defaultLogPath(now = new Date()): string {
  const time = now
    .toISOString()
    .replace(/[-:]/g, "")
    .replace(/\.(\d+)Z$/, "-$1Z");
  return `./zitadel-user-grants-${time}.jsonl`;
}
