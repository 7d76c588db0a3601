import Papa from "papaparse";
import { describe, expect, it } from "vitest";
import { printable } from "../../../src/cli/terminal.js";
import { logHarness } from "./harness.js";

const { add, begun, cli, file, newLog, server } = logHarness();

const hostile = {
  ...{ grantId: "1", userId: "2" },
  displayName: '=HYPERLINK("https://evil.example","x")',
  email: "<script>alert(1)</script>@example.com",
  projectName: "\u001b[2J\u202egnp.exe & 'more'",
  recorded: { state: "active", roleKeys: ["+1", '"quoted", role'], projectId: "@3" },
};
const hostileError =
  '{"code":7,"id":"EVENT-Shu7e","message":"</td><img src=x>","requestId":"r<1>"}';

const hostileLog = () =>
  file(
    "hostile.jsonl",
    begun(
      [hostile, "4", "5", "6"],
      '{"request":"a-1","ids":["4"]}',
      '{"answer":"a-1","ok":true,"at":"2026-11-24T08:00:01.000Z","requestId":"req-4"}',
      `{"grantId":"1","status":"failed","error":${hostileError},"at":"2026-11-24T08:00:02.000Z"}`,
      '{"request":"a-2","ids":["5"]}',
    ),
  );

it.each(["--csv", "--json", "page"])(
  "report as %s shows which grants the log knows only by id",
  async (format) => {
    const flags = format === "page" ? [] : [format];
    const log = file("bare.jsonl", begun([hostile, "4", { grantId: "5", userId: "6" }]));
    const { stdout, stderr } = await cli(["report", log, ...flags]);
    expect(stdout.split("not recorded")).toHaveLength(3);
    const recorded = file("recorded.jsonl", begun([hostile]));
    const quiet = await cli(["report", recorded, ...flags, "--quiet"]);
    expect(quiet).toMatchObject({
      exitCode: 0,
      stdout: expect.not.stringContaining("not recorded"),
    });
    expect(stderr).toBe("");
  },
);

describe("report --csv", () => {
  it("has a row for each grant with who, where and when", async () => {
    const [a] = add(1) as [string];
    const log = newLog();
    await cli(["remove", a, "999", "--yes", "--log", log]);
    const { exitCode, stdout } = await cli(["report", log, "--csv"], {
      env: {},
    });
    expect(exitCode).toBe(0);
    const { data } = Papa.parse<Record<string, string>>(stdout.trim(), { header: true });
    expect(data).toHaveLength(2);
    expect(data[0]).toMatchObject({
      ...{ grantId: a, outcome: "removed", command: "remove", instance: server().baseUrl },
      organization: `ZITADEL (${server().orgId})`,
      accounts: expect.stringMatching(/\d+/),
      requestId: expect.stringMatching(/./),
    });
    for (const column of ["at", "started", "ended"]) {
      expect(data[0]?.[column]).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    }
    expect(data[1]).toMatchObject({ grantId: "999", outcome: "not-found" });
  });

  it("holds no formula and no control character", async () => {
    const { stdout } = await cli(["report", hostileLog(), "--csv"]);
    const { data } = Papa.parse<Record<string, string>>(stdout.trim(), { header: true });
    expect(data[0]).toMatchObject({
      displayName: `'${hostile.displayName}`,
      projectId: "'@3",
      roleKeys: `'+1\n"quoted", role`,
      projectName: "\\u{1b}[2J\\u{202e}gnp.exe & 'more'",
      reason: "PermissionDenied EVENT-Shu7e </td><img src=x>",
    });
    expect(data.map(({ outcome }) => outcome)).toEqual([
      ...["failed", "removed", "response lost", "not asked for"],
    ]);
    expect(data[1]).toMatchObject({ requestId: "req-4", at: "2026-11-24T08:00:01.000Z" });
    for (const row of data) {
      for (const cell of Object.values(row)) {
        expect(cell).not.toMatch(/^[=+\-@\t\r]/);
      }
    }
  });
});

describe("report", () => {
  it("is self-contained, and shows the server's values as text", async () => {
    const { exitCode, stdout } = await cli(["report", hostileLog()]);
    expect(exitCode).toBe(0);
    expect(stdout).toContain("default-src 'none'");
    expect(stdout).not.toMatch(/<script|<img|<link|src=x>|href=|url\(/);
    const oneLine = stdout.replaceAll("\n", "");
    expect(printable(oneLine)).toBe(oneLine);
    expect(stdout).toContain("&lt;script&gt;alert(1)&lt;/script&gt;@example.com");
    expect(stdout).toContain("\\u{1b}[2J\\u{202e}gnp.exe &amp; &#39;more&#39;");
    expect(stdout).toContain("r&lt;1&gt;");
  });

  it("lists resumptions and restores", async () => {
    const grant = server().addGrant({ roleKeys: ["reader"] });
    const recorded = { state: "active", roleKeys: ["reader"], projectId: server().projectId };
    const log = file("sessions.jsonl", begun([{ ...grant, recorded }]));
    await cli(["resume", log, "--yes"]);
    await cli(["restore", log, "--yes"]);
    const { stdout } = await cli(["report", log]);
    for (const text of ["started", "resumed", "restored", "(finished)", "removed, then restored"]) {
      expect(stdout).toContain(text);
    }
  });

  it("names the line of a log that was edited into something else", async () => {
    const recorded = { ...hostile.recorded, sequence: "7" };
    const text = begun(
      [{ ...hostile, recorded }, "4"],
      '{"request":"a-1","ids":["4"]}',
      '{"answer":"a-1","ok":true,"at":"2026","requestId":"req-4"}',
      `{"grantId":"4","status":"failed","answerLost":true,"error":${hostileError}}`,
      '{"effect":{"looked":1,"inEffect":0,"others":[{"grantId":"4","shows":"active"}]}}',
      '{"restore":"started","at":"2026","accountId":"7"}',
      '{"step":"b-1","do":"add","grantId":"4"}',
      '{"stepResponse":"b-1","ok":true}',
      `{"grantId":"4","restored":"failed","error":${hostileError}}`,
      '{"restore":"ended","at":"2026","because":"finished"}',
      "{}",
    );
    const lines = text.trim().split("\n");
    expect((await cli(["report", file("{}.jsonl", text)])).stderr).toContain("line 13");
    for (const [index, line] of lines.slice(0, -1).entries()) {
      for (const value of index === 0 ? [] : edits(JSON.parse(line))) {
        const edited = lines.slice(0, -1).with(index, JSON.stringify(value)).join("\n");
        const { exitCode, stderr } = await cli(["report", file("edited.jsonl", `${edited}\n`)]);
        expect([value, stderr]).toEqual([value, expect.stringContaining(`line ${index + 1} `)]);
        expect(exitCode).toBe(1);
      }
    }
  });

  it.each([
    ["two formats", ["report", "x", "--csv", "--json"], /Give --csv or --json, not both/],
    ["what is not a log", ["report", "package.json", "--csv"], /not a log/],
  ])("rejects %s", async (_, argv, message) => {
    const { exitCode, stderr } = await cli(argv);
    expect(stderr).toMatch(message);
    expect(exitCode).toBe(1);
  });
});

/** A value with one of its fields, at any depth, in another type. */
function* edits(value: object): Generator<unknown> {
  for (const [name, field] of Object.entries(value)) {
    const others =
      typeof field === "object" ? [5, ...edits(field)] : [typeof field === "number" ? "x" : 5];
    for (const other of others) {
      yield Array.isArray(value) ? value.with(Number(name), other) : { ...value, [name]: other };
    }
  }
}
