import { isBuiltin } from "node:module";
import type { Imports } from "./imports.js";
import type { Room } from "./rules.js";

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
      }
    }
  }
  return [...found, ...circles(imports).map((circle) => `a circle: ${circle.join(" → ")}`)];
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
