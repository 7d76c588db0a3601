import { expect, it } from "vitest";
import { runProgram } from "../support/programs.js";

it("a program that has closed its sandbox exits by itself", async () => {
  const { exitCode, output } = await runProgram(`
    import { startSandbox } from "zitadel-user-grants/sandbox";
    const sandbox = await startSandbox({ requestLatencyMs: 3_600_000 });
    await (await fetch(sandbox.baseUrl + "/debug/healthz")).text();
    fetch(sandbox.baseUrl + "/management/v1/user_grants/_bulk", {
      method: "DELETE",
      headers: { authorization: "Bearer " + sandbox.token },
    }).catch(() => console.log("call ended"));
    await (await fetch(sandbox.baseUrl + "/debug/ready")).text();
    await sandbox.close();
    console.log("closed");`);
  expect([exitCode, output.split("\n").filter(Boolean).sort()]).toEqual([
    0,
    ["call ended", "closed"],
  ]);
});
