import { type Io, UsageError } from "../io.js";
import { linesOf, openContent } from "./content.js";
import { show, userIdProblem } from "./ids.js";

/**
 * Reads a list of user ids, one a line.
 *
 * @throws UsageError when the list is empty, or listing the lines that are not user ids.
 */
export async function readUserIds(flag: string, path: string, io: Io): Promise<string[]> {
  const { name, chunks } = openContent(flag, path, io);
  const ids: string[] = [];
  for await (const [number, raw] of linesOf(chunks)) {
    const id = raw.trim();
    if (id === "" || id.startsWith("#")) {
      continue;
    }
    const problem = userIdProblem(id);
    if (problem !== undefined) {
      throw new UsageError(`${name}, line ${number}: not a user id: ${show(id)} (${problem})`);
    }
    ids.push(id);
  }
  if (ids.length === 0) {
    throw new UsageError(`${flag}: there are no user ids in ${name}.`);
  }
  return ids;
}
