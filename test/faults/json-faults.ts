import { messageJson } from "./exchange.ts";
import { type Expected, type Fault, only, responds } from "./fault.ts";

const bodies: [name: string, body: string, expect: Expected][] = [
  ["truncated", messageJson.slice(0, -2), "Unknown"],
  ["an empty body", "", "Unknown"],
  ["null", "null", "Unknown"],
  ["a list", "[]", "Unknown"],
  ["a string", '"ok"', "Unknown"],
  ["true", "true", "Unknown"],
  ["another server's object", '{"status":"ok"}', "Unknown"],
  ["a field of the wrong type", '{"details":"ok"}', "Unknown"],
  ["an invalid number", '{"details":{"sequence":"abc"}}', "Unknown"],
  ["a number beyond 64 bits", '{"details":{"sequence":"99999999999999999999"}}', "Unknown"],
  ["100,000 nested lists", `${"[".repeat(100_000)}${"]".repeat(100_000)}`, "Unknown"],
  ["100,000 open braces", '{"a":'.repeat(100_000), "Unknown"],
  ["a byte order mark before it", `\ufeff${messageJson}`, "ok"],
  ["unknown fields", '{"details":{"sequence":"5","x":[1]},"y":{}}', "ok"],
  ["a duplicate key, the last one right", `{"details":null,${messageJson.slice(1)}`, "ok"],
  ["__proto__", '{"__proto__":{"sequence":"5"},"details":{"sequence":"5"}}', "ok"],
  ["an error within HTTP 200", '{"code":5,"message":"gone","details":[]}', "NotFound"],
  ["an error with code 99 within HTTP 200", '{"code":99,"message":"?"}', "Unknown"],
];

const errors: [name: string, status: number, body: string, expect: Expected][] = [
  ["an error without a code", 404, '{"message":"gone"}', "Unimplemented"],
  ["an error with code 0", 400, '{"code":0,"message":""}', "Internal"],
  ["an error with code 99", 400, '{"code":99,"message":""}', "Internal"],
  ["an error with a text code", 403, '{"code":"5"}', "PermissionDenied"],
  ["an error with untyped details", 404, '{"code":5,"details":[{},1,null,"x"]}', "NotFound"],
  [
    "an error with details that do not fit",
    404,
    '{"code":5,"details":[{"@type":"type.googleapis.com/zitadel.v1.ErrorDetail","id":{}}]}',
    "NotFound",
  ],
  ["an error with a message that is a list", 404, '{"code":5,"message":[]}', "Unimplemented"],
  ["a truncated error", 404, '{"code":5,"mess', "Unimplemented"],
];

export const jsonFaults: readonly Fault[] = only(
  ["json"],
  [...bodies.map(([name, body, expect]) => [name, 200, body, expect] as const), ...errors].map(
    ([name, status, body, expect]) => ({
      name: `JSON: ${name}`,
      respond: responds({ status, body }),
      expect,
    }),
  ),
);
