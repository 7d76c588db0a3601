import { readdirSync, readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { parseSync } from "rolldown/utils";
import type { Room } from "./rules.js";

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

/** Packages that run on Node alone. */
const nodePackages = ["@connectrpc/connect-node"];

/** What breaks the rules, one line each. */
export function violations(imports: Imports, layers: readonly (readonly Room[])[]): string[] {
  const found: string[] = [];
  for (const [file, targets] of imports) {
    const from = placeOf(file, layers);
    if (from === undefined) {
      found.push(`${file} stands in no room`);
      continue;
    }
    for (const target of targets) {
      const to = placeOf(target, layers);
      if (isBuiltin(target) || nodePackages.includes(target)) {
        if (from.room.node !== true) {
          found.push(`${file} imports ${target}, and may run where there is no Node`);
        }
      } else if (to === undefined) {
        // The package's own name would lead around every rule.
        if (imports.has(target) || /^(?:[./#]|file:|zitadel-user-grants(?:\/|$))/.test(target)) {
          found.push(`${file} imports ${target}, which stands in no room`);
        }
      } else if (to.layer > from.layer) {
        found.push(`${file} imports upwards: ${target}`);
      } else if (to.layer === from.layer && to.room !== from.room) {
        found.push(`${file} imports from another room of its layer: ${target}`);
      } else if (to.room !== from.room && !isGiven(target, from.room)) {
        found.push(`${file} imports ${target}, which its room is not given`);
      }
    }
  }
  return [...found, ...circles(imports).map((circle) => `a circle: ${circle.join(" → ")}`)];
}

function isGiven(target: string, { only }: Room): boolean {
  return (
    only === undefined ||
    only.some((path) => (path.endsWith("/") ? target.startsWith(path) : target === path))
  );
}

function placeOf(file: string, layers: readonly (readonly Room[])[]) {
  for (const [layer, rooms] of layers.entries()) {
    const room = rooms.find(({ path }) =>
      path.endsWith("/") ? file.startsWith(path) : file === path,
    );
    if (room !== undefined) {
      return { layer, room };
    }
  }
  return undefined;
}

/** Each circle of imports that a walk comes across. */
function circles(imports: Imports): string[][] {
  const found: string[][] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string) => {
    const at = path.indexOf(file);
    if (at >= 0) {
      found.push([...path.slice(at), file]);
    } else if (!done.has(file)) {
      path.push(file);
      for (const target of imports.get(file) ?? []) {
        visit(target);
      }
      path.pop();
      done.add(file);
    }
  };
  for (const file of imports.keys()) {
    visit(file);
  }
  return found;
}
