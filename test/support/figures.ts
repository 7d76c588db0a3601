import { readFileSync, writeFileSync } from "node:fs";

/**
 * What a page of docs/ says between `<!-- name -->` and `<!-- /name -->`. With WRITE_FIGURES=1 in the
 * environment, what a run has found is written there first: a run on any machine must not change files that
 * are committed.
 */
export function figuresIn(page: string, name: string, found: string): string {
  const url = new URL(`../../docs/${page}.md`, import.meta.url);
  const text = readFileSync(url, "utf8");
  const section = new RegExp(`(<!-- ${name} -->\n)([^]*?)(\n<!-- /${name} -->)`);
  const [, , said] = section.exec(text) ?? [];
  if (said === undefined) {
    throw new Error(`docs/${page}.md has no section for ${name}`);
  }
  if (process.env.WRITE_FIGURES === undefined) {
    return said.trim();
  }
  writeFileSync(
    url,
    text.replace(section, (_, start, __, end) => `${start}\n${found}\n${end}`),
  );
  return found;
}

export function tableOf(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(header), line(header.map(() => "---")), ...rows.map(line)].join("\n");
}
