import { describe, expect, it } from "vitest";
import { commands } from "../../src/cli/main.js";
import { run } from "./run.js";

describe.each(commands)("help of $name", (command) => {
  it("names every flag, within the width of a terminal", async () => {
    const { exitCode, stdout, stderr } = await run(["help", command.name]);
    expect([exitCode, stderr]).toEqual([0, ""]);
    const all = stdout + (await run(["help", "connection"])).stdout;
    for (const flag of command.groups.flatMap(({ flags }) => Object.keys(flags))) {
      expect(all).toMatch(new RegExp(`^  (-\\w, )?--${flag}\\b`, "m"));
    }
    expect(Math.max(...stdout.split("\n").map((text) => text.length))).toBeLessThanOrEqual(80);
    expect(stdout.trimEnd().split("\n").length).toBeLessThanOrEqual(40);
  });

  it("is the same with --help, and is in the overview", async () => {
    const { stdout } = await run(["help", command.name]);
    expect((await run([command.name, "--help"])).stdout).toBe(stdout);
    expect((await run(["--help"])).stdout).toContain(`  ${command.name} `);
  });
});

describe("misspelt words", () => {
  it.each([
    [["remoev"], /no command "remoev"; did you mean remove\?/],
    [["help", "doktor"], /did you mean doctor\?/],
    [["remove", "1", "--dryrun"], /no flag --dryrun; did you mean --dry-run\?/],
    [["remove", "1", "--instancehost=x"], /did you mean --instance-host\?/],
    [["remove", "1", "--protocol", "soap"], /--protocol takes grpc, grpc-web, json; got "soap"/],
    [["remove", "1", "--org", ""], /--org was given an empty value/],
    [["remove", "1", "--org", "1", "--org=2"], /--org was given twice/],
    [["remove", "-x"], /There is no flag -x\.\n/],
    [["doctor", "now"], /Unexpected argument .now./],
  ])("%j", async (argv, message) => {
    const { exitCode, stdout, stderr } = await run(argv);
    expect(stderr).toMatch(message);
    expect([exitCode, stdout]).toEqual([1, ""]);
  });

  it("of no words at all is the help, and no success", async () => {
    const { exitCode, stdout } = await run([]);
    expect(stdout).toBe((await run(["help"])).stdout);
    expect(exitCode).toBe(1);
  });

  it("shows the version", async () => {
    for (const word of ["version", "-v", "--version"]) {
      expect((await run([word])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    }
  });

  it("shows the help of the command that was meant", async () => {
    expect((await run(["remove", "--nope"])).stderr).toContain("help remove\n");
  });
});
