import { readFileSync, writeFileSync } from "node:fs";

/**
 * Writes what a run has found into docs/reliability.md, between `<!-- name -->` and `<!-- /name -->`, when
 * WRITE_FIGURES is set: a run on any machine must not change files that are committed.
 */
export function writeFigures(name: string, text: string): void {
  if (process.env.WRITE_FIGURES === undefined) {
    return;
  }
  const url = new URL("../../docs/reliability.md", import.meta.url);
  const page = readFileSync(url, "utf8");
  const section = new RegExp(`(<!-- ${name} -->\n)[^]*?(<!-- /${name} -->)`);
  if (!section.test(page)) {
    throw new Error(`docs/reliability.md has no section for ${name}`);
  }
  writeFileSync(
    url,
    page.replace(section, (_, start, end) => `${start}${text}\n${end}`),
  );
}

export function tableOf(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(header), line(header.map(() => "---")), ...rows.map(line)].join("\n");
}
