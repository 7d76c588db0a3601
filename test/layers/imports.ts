import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { parseSync } from "rolldown/utils";

/** The imports of each file, types included: paths below `src/`, `gen/…`, or names of packages. */
export type Imports = ReadonlyMap<string, readonly string[]>;

const src = fileURLToPath(new URL("../../src", import.meta.url));

export function readImports(): Imports {
  const files = readdirSync(src, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => file.replaceAll("\\", "/"));
  return new Map(
    files.map((file) => [file, importsOf(file, readFileSync(join(src, file), "utf8"))]),
  );
}

export function importsOf(file: string, text: string): string[] {
  const { module, errors } = parseSync(file, text);
  if (errors.length > 0) {
    throw new SyntaxError(`${file} does not parse`);
  }
  const specifiers = [
    ...module.staticImports.map((entry) => entry.moduleRequest.value),
    ...module.staticExports.flatMap(({ entries }) =>
      entries.flatMap(({ moduleRequest }) => moduleRequest?.value ?? []),
    ),
    // The source text of the argument; one that is no literal stays as it is, and is no file.
    ...module.dynamicImports.map(({ moduleRequest: { start, end } }) =>
      text.slice(start, end).replace(/^["'`]|["'`]$/g, ""),
    ),
  ];
  return [...new Set(specifiers)].map((specifier) =>
    specifier.startsWith(".")
      ? posix
          .join(posix.dirname(file), specifier)
          .replace(/^(\.\.\/)+gen\//, "gen/")
          .replace(/(?<!_pb)\.js$/, ".ts")
      : specifier,
  );
}
