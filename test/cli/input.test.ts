import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterAll, describe, expect, it } from "vitest";
import { type InputFlags, type InputGrant, readGrants } from "../../src/cli/grants/input.js";
import { UsageError } from "../../src/cli/io.js";

const directory = mkdtempSync(join(tmpdir(), "cli-input-"));
afterAll(() => rmSync(directory, { recursive: true }));

interface Source {
  readonly args?: readonly string[];
  readonly stdin?: string | Buffer;
  readonly file?: readonly [name: string, content: string | Buffer];
  readonly flags?: Omit<InputFlags, "file">;
}

async function read({ args = [], stdin = "", file, flags = {} }: Source) {
  let path: string | undefined;
  if (file !== undefined) {
    path = join(directory, file[0]);
    writeFileSync(path, file[1]);
  }
  let stderr = "";
  const output = { write: (text: string) => (stderr += text) };
  const grants: InputGrant[] = [];
  const io = {
    stdin: Object.assign(new PassThrough(), { isTTY: false }).end(stdin),
    stdout: output,
    stderr: output,
    env: {},
    onInterrupt: () => () => {},
  };
  for await (const grant of readGrants(args, { ...flags, file: path }, io)) {
    grants.push(grant);
  }
  return { ids: grants.map(({ grantId }) => grantId), grants, stderr };
}

const ids = ["400986363463207974", "400986363513539622"];
const utf16 = (text: string, mark = true) => Buffer.from((mark ? "\ufeff" : "") + text, "utf16le");
const search = {
  details: { totalResult: "2", viewTimestamp: "2026-11-24T06:41:37.638838Z" },
  result: ids.map((id) => ({
    ...{ id, userId: "7", state: "USER_GRANT_STATE_ACTIVE", roleKeys: ["reader", "a, b"] },
    ...{ projectId: "8", projectName: "Billing", details: { sequence: "1" } },
  })),
};

describe("the input", () => {
  it.each<[string, Source]>([
    ["arguments", { args: ids }],
    ["lines", { stdin: `# a list, and more\n\n${ids.join("\r\n")}` }],
    ["lines that end with a carriage return alone", { stdin: ids.join("\r") }],
    ["lines with a byte order mark", { stdin: `\ufeff${ids.join("\n")}` }],
    ["UTF-16", { stdin: utf16(ids.join("\r\n")) }],
    ["UTF-16, the other way round", { stdin: utf16(ids.join("\r\n")).swap16() }],
    [
      "CSV of two columns with a final newline",
      { file: ["a.csv", `user,grantId\na,${ids.join("\nb,")}\n`] },
    ],
    ["the same with semicolons", { file: ["b.csv", `user;grantId\na,b;${ids.join("\nb;")}\n`] }],
    [
      "the same with tabs, as .tsv",
      { file: ["c.tsv", `user\tgrantId\na\t${ids.join("\nb\t")}\n`] },
    ],
    ["one column", { file: ["e.csv", `grantId\n${ids.join("\n")}\n`] }],
    [
      "semicolons and UTF-16, whatever the name of the file",
      { file: ["g.txt", utf16(`grantId;name\r\n${ids.join(";1\r\n")};1\r\n`)] },
    ],
    ["CSV on standard input", { stdin: `Grant ID,Name\n${ids.join(",x\n")},x\n` }],
    [
      "a column that is named",
      { file: ["h.csv", `a;b c\n1;${ids.join("\n2;")}\n`], flags: { column: "b c" } },
    ],
    [
      "a name between quotes with the other delimiter",
      { file: ["i.csv", `"a;b;c;d",grant_id\n1,${ids.join("\n2,")}\n`] },
    ],
    [
      "JSON Lines",
      { file: ["j.jsonl", `${ids.map((id) => JSON.stringify({ grantId: id })).join("\n")}\n`] },
    ],
    ["JSON strings, one a line", { stdin: ids.map((id) => `"${id}"`).join("\n") }],
    ["a JSON array", { file: ["k.json", JSON.stringify(ids)] }],
    [
      "a JSON array over several lines, as JSON Lines",
      { file: ["l.jsonl", JSON.stringify(ids, null, 2)] },
    ],
    [
      "an array of objects on standard input",
      {
        stdin: JSON.stringify(
          ids.map((grantId) => ({ grantId })),
          null,
          2,
        ),
      },
    ],
    ["a search response", { file: ["m.json", JSON.stringify(search)] }],
    ["a search response on several lines", { stdin: JSON.stringify(search, null, 2) }],
    [
      "search responses, one a line",
      {
        file: [
          "n.jsonl",
          search.result
            .map((one) => JSON.stringify({ details: search.details, result: [one] }))
            .join("\n"),
        ],
      },
    ],
    [
      "responses one after the other",
      { stdin: search.result.map((one) => JSON.stringify({ result: [one] }, null, 1)).join("\n") },
    ],
    [
      "an array with a value a line",
      { stdin: `[\n${ids.map((grantId) => JSON.stringify({ grantId })).join(",\n")}\n]` },
    ],
    ["its result alone", { stdin: JSON.stringify(search.result) }],
  ])("is read: %s", async (_, source) => {
    expect((await read(source)).ids).toEqual(ids);
  });

  it("of a search keeps what it claims, with the line", async () => {
    const { grants } = await read({ file: ["o.json", JSON.stringify(search)] });
    expect(grants[0]).toMatchObject({
      grantId: ids[0],
      number: 1,
      user: "7",
      claims: { userBy: "userId", projectId: "8", roleKeys: ["reader", "a, b"] },
    });
  });

  it("claims what is surest of user and project", async () => {
    const csv = `Grant ID;Display Name;E-Mail;Project Name\n${ids[0]};Jane;jane@example.com;Billing\n${ids[1]};Joe;;\n`;
    const { grants } = await read({ file: ["people.csv", csv] });
    expect(grants.map(({ number, user, claims }) => [number, user, claims])).toEqual([
      [2, "jane@example.com", { userBy: "email", projectName: "Billing" }],
      [3, "Joe", { userBy: "displayName" }],
    ]);
  });

  it("has the roles that were written, whatever a spreadsheet did to the file", async () => {
    const roles = ["reader", "a, b", "'@ops", "@ops", "écrire"];
    const cell = `"reader\na, b\n'@ops\n@ops\nécrire"`;
    const csv = `grantId,roleKeys\n"=""${ids[0]}""",${cell}\n`;
    const windows = csv.replaceAll("\n", "\r\n");
    for (const content of [csv, windows, `\ufeff${csv}`, utf16(windows)]) {
      const { grants } = await read({ file: ["roles.csv", content] });
      expect(grants).toMatchObject([{ grantId: ids[0], claims: { roleKeys: roles } }]);
    }
    const ansi = Buffer.from(windows, "latin1");
    await expect(read({ file: ["ansi.csv", ansi] })).rejects.toThrow(/line 2: .*not UTF-8/);
  });

  it("that is hostile is rejected at once, with a short message", async () => {
    const deep = "[".repeat(200_000) + "]".repeat(200_000);
    const wall = `${Array.from({ length: 100_000 }, (_, n) => `column${n}`).join()}\n`;
    const quote = `grantId,name\n3,"x\n${"300000000000000001,Jane Doe\n".repeat(1_000_000)}`;
    for (const [name, content] of [
      ...([
        ["deep.json", deep],
        ["wall.csv", wall],
        ["quote.csv", quote],
      ] as const),
      ...([
        ["line.txt", "3".repeat(2e7)],
        ["line.jsonl", `{"${"3".repeat(2e7)}`],
      ] as const),
    ]) {
      const startedMs = performance.now();
      const error = await read({ file: [name, content] }).catch((reason) => reason);
      expect(error).toBeInstanceOf(UsageError);
      expect(error.message.length).toBeLessThan(500);
      expect(performance.now() - startedMs).toBeLessThan(5000);
    }
  });

  const gibberish = Buffer.from([1, 0, 0, 2, 0, 0, 0, 3]);
  it.each<[string, Source, RegExp]>([
    [
      "a zero-width space",
      { stdin: `${ids[0]}\n${ids[1]}\u200b\n` },
      /line 2: not a grant id: "400986363513539622\\u\{200b\}" \(.*U\+200B/,
    ],
    ["a no-break space inside", { stdin: "40\u00a07" }, /line 1: .*U\+00A0/],
    [
      "what Excel has rounded",
      { stdin: `${ids[0]}\n4.00984E+17\n` },
      /line 2: .*4\.00984E\+17.*Excel has rounded this/,
    ],
    [
      "the same with a comma",
      { file: ["p.csv", "grantId;x\n4,00984E+17;1\n"] },
      /line 2: .*Excel has rounded this/,
    ],
    [
      "ids that Excel has cut to 15 digits",
      { stdin: "400986363463207000\n400986363513539000\n" },
      /Excel has rounded them/,
    ],
    ["escape sequences", { stdin: "\u001b[31m4007" }, /line 1: .*\\u001b.*U\+001B/],
    [
      "an id of 201 characters",
      { args: ["9".repeat(201)] },
      /argument 1: .*more than 200 characters/,
    ],
    ["a word", { stdin: "null\n" }, /line 1: not a grant id: "null" \(a grant id has digits/],
    ["a second header", { file: ["q.csv", "grantId\n1\ngrantId\n"] }, /line 3: .*"grantId"/],
    [
      "two columns of ids",
      { file: ["two.csv", "grantId,Grant ID\n1,2\n"] },
      /several columns of ids: "grantId", "Grant ID"/,
    ],
    [
      "two ids of one object",
      { stdin: '{"grantId":"1","grant_id":"2"}' },
      /several columns of ids/,
    ],
    ["another character", { args: ["4007;"] }, /not a grant id: "4007;" \(a grant id has digits/],
    [
      "two grants in a line to remove",
      { stdin: "4007 4008" },
      /line 1: not a grant id: "4007 4008"/,
    ],
    [
      "a number in JSON",
      { stdin: "[400986363463207974]" },
      /line 1: value 1: the grant id is a number/,
    ],
    [
      "half a JSON array",
      { file: ["r.json", `[\n"1",\n{"grantId":`] },
      /r\.json, line 1: no JSON: /,
    ],
    [
      "a JSON array without an end",
      { file: ["s.json", `["1",\n"2"`] },
      /s\.json, line 1: no JSON: .*line 3/,
    ],
    [
      "JSON of something else",
      { file: ["t.json", `{"a": 1}`] },
      /line 1: the object has no column grantId or grant_id/,
    ],
    [
      "an .xlsx file",
      { file: ["u.csv", Buffer.from("504b0304140006000800", "hex")] },
      /u\.csv is a spreadsheet \(\.xlsx or \.xls\): save it as CSV/,
    ],
    [
      "an .xls file",
      { file: ["v.xls", Buffer.from("d0cf11e0a1b11ae1", "hex")] },
      /is a spreadsheet/,
    ],
    ["a compressed file", { file: ["w.gz", Buffer.from("1f8b0800", "hex")] }, /is not text/],
    [
      "UTF-16 without a mark",
      { stdin: utf16(ids.join("\r\n"), false) },
      /is not text in UTF-8, nor in UTF-16 with a byte order mark/,
    ],
    [
      "another delimiter",
      { file: ["pipes.csv", `user|grantId\na|${ids[0]}\n`] },
      /no column grantId.*It has: "user\|grantId"/,
    ],
    ["something that is not text", { file: ["x.txt", gibberish] }, /is not text/],
    [
      "no column with ids",
      { file: ["y.csv", "a,b\n1,2\n"] },
      /no column grantId or grant_id.*It has: "a", "b"/,
    ],
    [
      "a quote that is never closed",
      { file: ["z.csv", 'grantId,x\n1,"a\n2,b\n'] },
      /cannot be read from line 2/,
    ],
  ])("is rejected, with its line: %s", async (_, source, message) => {
    await expect(read(source)).rejects.toThrow(message);
  });

  it("is read in chunks: rows and values may be split anywhere", async () => {
    const many = Array.from({ length: 20_000 }, (_, n) => String(400986363463207974n + BigInt(n)));
    const csv = `"na\nme",grantId\n${many.map((id) => `"x ""y""\nz",${id}`).join("\n")}\n`;
    expect((await read({ file: ["many.csv", csv] })).ids).toEqual(many);
    const json = JSON.stringify(
      many.map((grantId) => ({ note: 'a "]" \\', grantId })),
      null,
      1,
    );
    expect((await read({ file: ["many.json", json] })).ids).toEqual(many);
    const bad = `${many.join("\n")}\n!\n`;
    await expect(read({ stdin: bad })).rejects.toThrow(/line 20001/);
    const badRow = `${csv}"a\n\nb"\n`;
    await expect(read({ file: ["bad.csv", badRow] })).rejects.toThrow(/line 40003: has 1 cell,/);
  });
});
