import { run } from "./program.js";

run(JSON.parse(process.argv[2])).then(console.log);
