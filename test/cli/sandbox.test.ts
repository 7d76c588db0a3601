import { describe, expect, it } from "vitest";
import { run } from "./run.js";

describe("the sandbox command", () => {
  it("prints lines for a shell, serves what they say, and ends when it is interrupted", async () => {
    const printed = Promise.withResolvers<{ text: string; interrupt: () => void }>();
    const ended = run(["sandbox"], {
      onOutput: (text, { interrupt }) => printed.resolve({ text, interrupt }),
    });
    const { text, interrupt } = await printed.promise;
    const values = Object.fromEntries(
      [...text.matchAll(/([A-Z_0-9]+)=(\S+)/g)].map(([, name, value]) => [name, value]),
    );
    const url = `${values.ZITADEL_URL}/oidc/v1/userinfo`;
    const headers = { authorization: `Bearer ${values.ZITADEL_TOKEN}` };
    expect((await fetch(url, { headers })).status).toBe(200);
    expect(values.GRANT_ID).toMatch(/^\d{18}$/);
    interrupt();
    expect((await ended).exitCode).toBe(0);
    await expect(fetch(url)).rejects.toThrow();
  });

  it.each([
    [["sandbox", "--port", "x"], /port/],
    [["sandbox", "--port", "70000"], /0 to 65535/],
    [["sandbox", "--generation", "v3"], /"v4" or "v2.70"/],
    [["sandbox", "--nope"], /nope/],
  ])("refuses %j with exit code 1 and says why", async (argv, message) => {
    const { exitCode, stdout, stderr } = await run(argv);
    expect([exitCode, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(message);
  });
});
