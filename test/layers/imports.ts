import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { parseSync } from "rolldown/utils";

/** The imports of each file, types included: paths below `src/`, `gen/…`, or names of packages. */
export type Imports = ReadonlyMap<string, readonly string[]>;

const src = fileURLToPath(new URL("../../src", import.meta.url));

export function readImports(): Imports {
  const files = readdirSync(src, { recursive: true, encoding: "utf8" })
    .filter((file) => /\.[^/\\]+$/.test(file))
    .map((file) => file.replaceAll("\\", "/"));
  return new Map(
    files.map((file) => [file, importsOf(file, readFileSync(join(src, file), "utf8"))]),
  );
}

/** @throws SyntaxError for what is not TypeScript, and for an import of which the text does not say the file. */
export function importsOf(file: string, text: string): string[] {
  const { program, errors } = parseSync(file, text);
  if (errors.length > 0) {
    throw new SyntaxError(`${file} does not parse`);
  }
  const specifiers = new Set<string>();
  visit(program, (node) => {
    for (const source of sourcesOf(node)) {
      const specifier = literal(source);
      if (specifier === undefined) {
        throw new SyntaxError(`${file} imports something that is not a literal`);
      }
      specifiers.add(specifier);
    }
  });
  return [...specifiers].map((specifier) =>
    specifier.startsWith(".")
      ? posix
          .join(posix.dirname(file), specifier)
          .replace(/^(\.\.\/)+gen\//, "gen/")
          .replace(/(?<!_pb)\.js$/, ".ts")
      : specifier,
  );
}

type Node = { readonly type?: string } & Readonly<Record<string, unknown>>;

/** What a node imports from: declarations, `import()` in code and in types, `require`, URLs of modules. */
function sourcesOf(node: Node): unknown[] {
  switch (node.type) {
    case "ImportDeclaration":
    case "ExportAllDeclaration":
    case "ExportNamedDeclaration":
    case "ImportExpression":
    case "TSImportType":
      return node.source ? [node.source] : [];
    case "TSExternalModuleReference":
      return [node.expression];
    case "CallExpression":
      return (node.callee as Node).name === "require" ? (node.arguments as unknown[]) : [];
    case "NewExpression": {
      const [path] = node.arguments as unknown[];
      const isModule = /^\.\.?\/.*\.[cm]?[jt]sx?$/.test(literal(path) ?? "");
      return (node.callee as Node).name === "URL" && isModule ? [path] : [];
    }
    default:
      return [];
  }
}

function literal(source: unknown): string | undefined {
  const { type, value, quasis, expressions } = (source ?? {}) as Node;
  if (type === "TemplateLiteral" && (expressions as unknown[]).length === 0) {
    return (quasis as { value: { cooked: string } }[])[0]?.value.cooked;
  }
  return type === "Literal" && typeof value === "string" ? value : undefined;
}

function visit(value: unknown, onNode: (node: Node) => void): void {
  if (Array.isArray(value)) {
    for (const item of value) {
      visit(item, onNode);
    }
  } else if (typeof value === "object" && value !== null) {
    onNode(value as Node);
    visit(Object.values(value), onNode);
  }
}
