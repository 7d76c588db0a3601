import { expect, it } from "vitest";
import { runProgram } from "../support/programs.js";

/** Prints whether Connect's transports were loaded before the first stream, and after it. */
const program = (entry: string, other: string) => `
  import { registerHooks } from "node:module";
  const loaded = new Set();
  registerHooks({
    load: (url, context, next) => {
      const [, name] = /@connectrpc\\/(connect-(?:web|node))\\//.exec(url) ?? [];
      if (name) loaded.add(name);
      return next(url, context);
    },
  });
  const { createManagementClient, createTransport, close } = await import("${entry}");
  const options = { baseUrl: "http://127.0.0.1:1" };
  const client = createManagementClient(options);
  await client.bulkRemoveUserGrant({ grantId: ["1"] }).catch(() => undefined);
  const transport = createTransport(options);
  const before = [...loaded];
  const { ManagementService } = await import("zitadel-user-grants");
  const method = { ...ManagementService.method.bulkRemoveUserGrant, methodKind: "server_streaming" };
  const none = (async function* () {})();
  await transport.stream(method, undefined, 100, undefined, none).catch(() => undefined);
  close(transport);
  console.log(JSON.stringify([before, [...loaded].includes("${other}")]));`;

it.each([
  ["zitadel-user-grants", "connect-node"],
  ["zitadel-user-grants/grpc-web", "connect-web"],
])("in Node, %s loads %s at the first stream", async (entry, other) => {
  const { output } = await runProgram(program(entry, other));
  expect(JSON.parse(output)).toEqual([[], true]);
});
