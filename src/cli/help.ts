import { type Command, type Flag, type FlagTable, helpFlag } from "./command.js";

/** The width of help, in columns. */
const width = 96;
/** The column at which the description of a flag begins. */
const indent = 27;

export const exitCodes = `Exit codes: 0 every grant is done; 1 wrong usage, nothing was sent; 2 some grants failed or were not found; 3 stopped early; 4 aborted: connection, authentication or permission failure.`;

/** The output of `--help` without a command. */
export function overview(commands: readonly Command[]): string {
  const longest = Math.max(...commands.map(({ name }) => name.length));
  return [
    "Revokes project access (user grants) from ZITADEL users.",
    "",
    "Usage: zitadel-user-grants <command>",
    "",
    "Commands:",
    ...commands.map(({ name, summary }) => `  ${name.padEnd(longest + 2)}${summary}`),
    "",
    "zitadel-user-grants help <command> explains a command. --version prints the version.",
    "",
    wrap(exitCodes, width),
    "",
  ].join("\n");
}

/** The output of `--help` of a command. */
export function helpOf(command: Command): string {
  const beside = command.arguments === undefined ? "" : ` ${command.arguments}`;
  const parts = [`Usage: zitadel-user-grants ${command.name}${beside} [options]`];
  parts.push(wrap(command.description.replace(/(?<!\n)\n(?![\n ])/g, " "), width));
  if (command.examples !== undefined) {
    parts.push(["Examples:", ...command.examples.map((example) => `  ${example}`)].join("\n"));
  }
  for (const { title, flags, note } of [
    ...command.groups,
    { title: "Help", flags: helpFlag, note: undefined },
  ]) {
    const lines = [`${title}:`, ...flagLines(flags)];
    parts.push([...lines, ...(note === undefined ? [] : [wrap(note, width)])].join("\n"));
  }
  if (command.notes !== undefined) {
    parts.push(wrap(command.notes, width));
  }
  return `${parts.join("\n\n")}\n`;
}

function flagLines(flags: FlagTable): string[] {
  return Object.entries(flags).flatMap(([name, flag]) => {
    const left = `  ${nameOf(name, flag)}`;
    const [first = "", ...more] = wrap(flag.help, width - indent).split("\n");
    const rest = more.map((text) => " ".repeat(indent) + text);
    return left.length < indent - 1
      ? [left.padEnd(indent) + first, ...rest]
      : [left, " ".repeat(indent) + first, ...rest];
  });
}

function nameOf(name: string, { short, value, values, type }: Flag): string {
  const shown = value ?? (values === undefined ? "<value>" : `<${values.join("|")}>`);
  return `${short === undefined ? "" : `-${short}, `}--${name}${type === "string" ? ` ${shown}` : ""}`;
}

/** Wraps lines between words; existing line breaks are kept. */
export function wrap(text: string, columns: number): string {
  return text
    .split("\n")
    .map((paragraph) => {
      const lines: string[] = [];
      let current = "";
      for (const word of paragraph.split(" ")) {
        if (current !== "" && current.length + 1 + word.length > columns) {
          lines.push(current);
          current = word;
        } else {
          current = current === "" ? word : `${current} ${word}`;
        }
      }
      return [...lines, current].join("\n");
    })
    .join("\n");
}
