import { readFileSync } from "node:fs";

/** The programs of docs/recipes.md, each with the name of its file. */
export const recipes = [
  ...readFileSync(new URL("../../docs/recipes.md", import.meta.url), "utf8").matchAll(
    /^```\w+ (\S+)\n(.*?)^```$/gms,
  ),
].map(([, file = "", code = ""]) => ({ file, code }));
