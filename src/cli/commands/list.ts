import { identify, readWith } from "../account.js";
import { connectionGroup, readConnection } from "../connect.js";
import { defineCommand, type FlagTable } from "../flags.js";
import { type GrantRecord, grantColumns, personOf } from "../grants/record.js";
import { type SelectionEnd, selectGrants, shortfallOf } from "../grants/select.js";
import { readSelectors, selectorGroup } from "../grants/selectors.js";
import { exitCode, line, UsageError } from "../io.js";
import type { Selectors } from "../log/entry.js";
import { named } from "../log/read.js";
import { rateFlags, readRate } from "../pace.js";
import {
  counted,
  csvLines,
  jsonLines,
  printable,
  type TableColumn,
  tableLines,
  writeTexts,
} from "../terminal.js";

const outputFlags = {
  json: { type: "boolean", help: "JSON Lines, with all that ZITADEL shows of a grant" },
  csv: { type: "boolean", help: "the same as CSV: the default if not on a terminal" },
  quiet: { type: "boolean", short: "q", help: "do not report the number of grants" },
  ...rateFlags,
} as const satisfies FlagTable;

/** The command `list`. */
export const list = defineCommand({
  name: "list",
  summary: "list grants by user, project, role and more",
  description:
    "Lists the grants of an organization: all of them, or those that the flags select. Changes nothing.",
  examples: [
    "zitadel-user-grants list --project Billing --role admin",
    "zitadel-user-grants list --email jane@example.com --csv > plan.csv",
    "zitadel-user-grants remove --file plan.csv",
  ],
  groups: [selectorGroup, { title: "Output", flags: outputFlags }, connectionGroup],
  async run(flags, _, io) {
    if (flags.json && flags.csv) {
      throw new UsageError("Give --json or --csv, not both.");
    }
    const selectors = await readSelectors(flags, io);
    const given = await readConnection(flags, io);
    const rate = readRate(flags.rate, given.baseUrl);
    const { connection, identity } = await identify(given, io, "read");
    let end: SelectionEnd | undefined;
    const left = "The list is incomplete.";
    await readWith(connection, { rate }, left, io, async (lookup) => {
      async function* grants() {
        end = yield* selectGrants(lookup, selectors, identity.orgId);
      }
      const texts = flags.json
        ? jsonLines(grants())
        : flags.csv || !io.stdout.isTTY
          ? // Names must not control a terminal; a file holds them as they are, to be read again.
            csvLines(grantColumns, grants(), io.stdout.isTTY ? printable : String)
          : tableLines(tableColumns(selectors), grants(), io.stdout.columns || 120);
      await writeTexts(texts, io);
    });
    if (!flags.quiet) {
      const organization = named(identity.orgName, identity.orgId);
      line(io.stderr, printable(`${counted(end?.matched ?? 0, "grant")} in ${organization}.`));
    }
    const { unmatched = [], ambiguous = [] } = end ?? {};
    for (const text of [...unmatched.map((value) => `Not matched: ${value}`), ...ambiguous]) {
      line(io.stderr, printable(text));
    }
    const shortfall = end && shortfallOf(end, connection.protocol);
    if (shortfall !== undefined) {
      line(io.stderr, `The list is incomplete: ${shortfall}`);
    }
    return shortfall === undefined && unmatched.length === 0 ? exitCode.done : exitCode.incomplete;
  },
});

/** What was searched by, and the ids, are shown whole. */
function tableColumns({ users, emails, projects, roles }: Selectors): TableColumn<GrantRecord>[] {
  return [
    { title: "USER", show: personOf, whole: users.length + emails.length > 0 },
    {
      title: "PROJECT",
      show: ({ projectName, projectId }) => projectName ?? projectId,
      whole: projects.length > 0,
    },
    { title: "ROLES", show: ({ roleKeys }) => roleKeys.join(", "), whole: roles.length > 0 },
    { title: "STATE", show: ({ state }) => state, spare: true },
    { title: "USER ID", show: ({ userId }) => userId, whole: true, spare: true },
    { title: "GRANT ID", show: ({ grantId }) => grantId, whole: true },
  ];
}
