import { describe, expect, it } from "vitest";
import { main } from "../../src/cli/main.js";

describe("the sandbox command", () => {
  it("prints lines for a shell, serves what they say, and ends when it is interrupted", async () => {
    let interrupt = () => {};
    const printed = Promise.withResolvers<string>();
    const exitCode = main(["sandbox"], {
      stdout: { write: printed.resolve },
      stderr: { write: expect.fail },
      onInterrupt: (listener) => {
        interrupt = listener;
      },
    });
    const text = await printed.promise;
    const values = Object.fromEntries(
      [...text.matchAll(/([A-Z_0-9]+)=(\S+)/g)].map(([, name, value]) => [name, value]),
    );
    const url = `${values.ZITADEL_URL}/oidc/v1/userinfo`;
    const headers = { authorization: `Bearer ${values.ZITADEL_TOKEN}` };
    expect((await fetch(url, { headers })).status).toBe(200);
    expect(values.GRANT_ID).toMatch(/^\d{18}$/);
    interrupt();
    expect(await exitCode).toBe(0);
    await expect(fetch(url)).rejects.toThrow();
  });

  it.each([
    [["sandbox", "--port", "x"], /port/],
    [["sandbox", "--port", "70000"], /0 to 65535/],
    [["sandbox", "--inactive", "maybe"], /"ok" or "error"/],
    [["sandbox", "--nope"], /nope/],
  ])("refuses %j with exit code 2 and says why", async (argv, message) => {
    let errors = "";
    const exitCode = await main(argv, {
      stdout: { write: expect.fail },
      stderr: {
        write: (chunk) => {
          errors += chunk;
        },
      },
      onInterrupt: () => expect.fail("it started"),
    });
    expect(exitCode).toBe(2);
    expect(errors).toMatch(message);
  });
});
