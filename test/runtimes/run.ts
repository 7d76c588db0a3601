// Runs the suite in Node, Bun or Deno and writes what came out as JSON: `run.ts <entry> <surroundings>`.
import process from "node:process";
import { runSuite } from "./suite.ts";

const [entry = "", surroundings = ""] = process.argv.slice(2);
console.log(JSON.stringify(await runSuite(await import(entry), JSON.parse(surroundings))));
