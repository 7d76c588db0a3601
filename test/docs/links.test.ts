import { existsSync, globSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { describe, expect, it } from "vitest";
import { root } from "../support/programs.js";

const documents = globSync(["*.md", "docs/**/*.md", "examples/*/*.md", "examples/*.md"], {
  cwd: root,
  exclude: (path) => path.includes("node_modules"),
});

/** The text without its programs. */
const proseOf = (path: string) =>
  readFileSync(join(root, path), "utf8").replace(/^```.*?^```$/gms, "");

/** The anchors of a document, as GitHub makes them from its headings. */
function anchorsOf(path: string): Set<string> {
  const seen = new Map<string, number>();
  const anchors = new Set<string>();
  for (const [, heading = ""] of proseOf(path).matchAll(/^#+ (.+)$/gm)) {
    const slug = heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_ -]/gu, "")
      .replaceAll(" ", "-");
    const count = seen.get(slug) ?? 0;
    seen.set(slug, count + 1);
    anchors.add(count === 0 ? slug : `${slug}-${count}`);
  }
  return anchors;
}

describe("the links of the documents", () => {
  it("lead to files and headings that exist", () => {
    expect(documents).toContain("README.md");
    const anchors = new Map<string, Set<string>>();
    const dead: string[] = [];
    for (const document of documents) {
      for (const [, path = "", anchor] of proseOf(document).matchAll(
        /\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)/g,
      )) {
        const target = path === "" ? document : posix.join(posix.dirname(document), path);
        if (!existsSync(join(root, target))) {
          dead.push(`${document}: ${path}`);
        } else if (anchor !== undefined) {
          if (!anchors.has(target)) {
            anchors.set(target, anchorsOf(target));
          }
          if (!anchors.get(target)?.has(anchor)) {
            dead.push(`${document}: ${path}#${anchor}`);
          }
        }
      }
    }
    expect(dead).toEqual([]);
  });

  it("of CONTRIBUTING name files and folders that exist", () => {
    const guide = readFileSync(join(root, "CONTRIBUTING.md"), "utf8");
    const named = [...guide.matchAll(/`((?:src|test|scripts|docs|bench|gen)\/[\w./-]*)`/g)];
    expect(named.length).toBeGreaterThan(20);
    expect(named.filter(([, path = ""]) => !existsSync(join(root, path)))).toEqual([]);
  });

  it("of examples/README.md lead to projects of their own", () => {
    const links = readFileSync(join(root, "examples/README.md"), "utf8").matchAll(
      /\]\(([\w-]+)\)/g,
    );
    for (const [, name] of links) {
      for (const file of ["README.md", "package.json", "tsconfig.json"]) {
        expect(existsSync(join(root, "examples", name ?? "", file)), `${name}/${file}`).toBe(true);
      }
    }
  });
});
