import Papa from "papaparse";
import type { GrantRecord } from "./grant-record.js";
import { columnsOf, printable, toWidth } from "./printable.js";

export const listOutputs = ["table", "csv", "jsonl"] as const;
export type ListOutput = (typeof listOutputs)[number];

/** Formats grants as they are read. */
export interface GrantWriter {
  /** Text before the first grant. */
  readonly start: (firstGrants: readonly GrantRecord[]) => string;
  readonly grants: (grants: readonly GrantRecord[]) => string;
}

/** The columns of the CSV: everything that a search returns. `remove --file` reads them. */
const csvColumns = [
  "grantId",
  "userId",
  "state",
  "roleKeys",
  "projectId",
  "projectName",
  "projectGrantId",
  "displayName",
  "email",
  "preferredLoginName",
  "userName",
  "firstName",
  "lastName",
  "userType",
  "orgId",
  "orgName",
  "orgDomain",
  "grantedOrgId",
  "grantedOrgName",
  "grantedOrgDomain",
  "creationDate",
  "changeDate",
  "sequence",
  "resourceOwner",
] as const satisfies readonly (keyof GrantRecord)[];

/** The separator of roles in a cell. ZITADEL's role keys may contain spaces and commas. */
export const roleSeparator = "\n";

/** Text that a spreadsheet would take for a formula; the parser's own rule misses multi-line cells. */
export const formulaStart = /^[=+\-@\t\r]/;

export function grantWriter(output: ListOutput, columns: number): GrantWriter {
  switch (output) {
    case "csv":
      return {
        start: () => `${csvColumns.join(",")}\r\n`,
        grants: (grants) =>
          `${Papa.unparse(grants.map(toCells), { escapeFormulae: formulaStart })}\r\n`,
      };
    case "jsonl":
      return {
        start: () => "",
        grants: (grants) => grants.map((grant) => `${JSON.stringify(grant)}\n`).join(""),
      };
    default:
      return tableWriter(columns);
  }
}

function toCells(grant: GrantRecord): string[] {
  return csvColumns.map((column) => {
    const value = grant[column];
    return typeof value === "string" ? value : (value?.join(roleSeparator) ?? "");
  });
}

/** The title and content of each column. The last ones are never truncated, so that ids can be copied. */
const tableColumns: readonly (readonly [string, (grant: GrantRecord) => string])[] = [
  ["USER", personOf],
  ["PROJECT", ({ projectName, projectId }) => projectName ?? projectId],
  ["ROLES", ({ roleKeys }) => roleKeys.join(", ")],
  ["STATE", ({ state }) => state],
  ["USER ID", ({ userId }) => userId],
  ["GRANT ID", ({ grantId }) => grantId],
];
const cuttable = 3;

/** A user, for display: name and address, or whichever is known. */
export function personOf(
  grant: {
    readonly [Name in "displayName" | "email" | "preferredLoginName" | "userName" | "userId"]?:
      | string
      | undefined;
  },
): string {
  const { displayName, email, preferredLoginName, userName, userId } = grant;
  const name = displayName ?? preferredLoginName ?? userName ?? userId ?? "";
  const address = email ?? preferredLoginName;
  return address === undefined || address === name ? name : `${name} <${address}>`;
}

function tableWriter(columns: number): GrantWriter {
  let widths: number[] = [];
  const row = (cells: readonly string[]) =>
    `${cells
      .map((cell, index) =>
        toWidth(cell, Math.max(widths[index] ?? 0, index < cuttable ? 0 : columnsOf(cell))),
      )
      .join("  ")
      .trimEnd()}\n`;
  const cellsOf = (grant: GrantRecord) => tableColumns.map(([, show]) => printable(show(grant)));
  return {
    start(first) {
      const rows = [tableColumns.map(([title]) => title), ...first.map(cellsOf)];
      widths = tableColumns.map((_, index) =>
        Math.max(...rows.map((cells) => columnsOf(cells[index] ?? ""))),
      );
      const gaps = 2 * (widths.length - 1);
      // Excess width is taken from the widest column.
      for (;;) {
        const excess = widths.reduce((sum, width) => sum + width, gaps) - columns;
        const widest = widths.indexOf(Math.max(...widths.slice(0, cuttable)));
        const width = widths[widest] ?? 0;
        if (excess <= 0 || width <= 12) {
          break;
        }
        widths[widest] = width - 1;
      }
      return row(tableColumns.map(([title]) => title));
    },
    grants: (grants) => grants.map((grant) => row(cellsOf(grant))).join(""),
  };
}
