import { run } from "./program.js";

globalThis.run = run;
