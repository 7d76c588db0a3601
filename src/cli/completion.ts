import { type Command, flagsOf } from "./command.js";

export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

const program = "zitadel-user-grants";

/** Not a command, but also possible as the first word. */
const help = { name: "help", summary: "explain a command" };

/** The script that makes a shell complete commands, flags and their values. */
export function completionScript(shell: Shell, commands: readonly Command[]): string {
  return { bash, zsh, fish }[shell](commands);
}

function bash(commands: readonly Command[]): string {
  const values = commands.flatMap((command) =>
    Object.entries(flagsOf(command)).flatMap(([name, flag]) => {
      const reply = flag.values ? `-W "${flag.values.join(" ")}"` : flag.file ? "-f" : undefined;
      return flag.type === "boolean"
        ? []
        : [
            `    ${command.name}:--${name}) ${reply === undefined ? "" : `COMPREPLY=($(compgen ${reply} -- "$current")); `}return ;;`,
          ];
    }),
  );
  const flags = commands.map(
    (command) => `    ${command.name}) words="${wordsOf(command).join(" ")}" ;;`,
  );
  return `# bash completion for ${program}: source <(${program} completion bash)
_zitadel_user_grants() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]} words=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${commandNames(commands).join(" ")}" -- "$current"))
    return
  fi
  # --flag=value is three words.
  if [ "$current" = "=" ]; then
    current=""
  elif [ "$previous" = "=" ]; then
    previous=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  case "\${COMP_WORDS[1]}:$previous" in
${values.join("\n")}
  esac
  case "\${COMP_WORDS[1]}" in
    help) words="${commandNames(commands).join(" ")}" ;;
${flags.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [ "\${#COMPREPLY[@]}" -eq 0 ]; then
    COMPREPLY=($(compgen -f -- "$current"))
  fi
}
complete -F _zitadel_user_grants ${program}
`;
}

function zsh(commands: readonly Command[]): string {
  const cases = commands.map((command) => {
    const specs = Object.entries(flagsOf(command)).map(([name, flag]) => {
      const action = flag.values ? `(${flag.values.join(" ")})` : flag.file ? "_files" : "";
      const [equals, value] = flag.type === "boolean" ? ["", ""] : ["=", `:${name}:${action}`];
      const repeat = flag.multiple ? "*" : "";
      return `      ${quote(`${repeat}--${name}${equals}[${flag.help.replace(/[[\]\\:]/g, "\\$&")}]${value}`)}`;
    });
    const rest = command.values ? `1:value:(${command.values.join(" ")})` : "*:file:_files";
    return [
      `    ${command.name}) _arguments \\`,
      [...specs, `      ${quote(rest)}`].join(" \\\n"),
      "    ;;",
    ].join("\n");
  });
  return `#compdef ${program}
# zsh completion for ${program}: source <(${program} completion zsh)
_zitadel_user_grants() {
  if (( CURRENT == 2 )); then
    local -a commands=(
${[...commands, help].map(({ name, summary }) => `      ${quote(`${name}:${summary.replaceAll(":", "\\:")}`)}`).join("\n")}
    )
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
    help) _arguments '1:command:(${commandNames(commands).join(" ")})' ;;
${cases.join("\n")}
  esac
}
compdef _zitadel_user_grants ${program}
`;
}

function fish(commands: readonly Command[]): string {
  const inCommand = (name: string) => `-n "__zitadel_user_grants_in ${name}"`;
  const lines = commands.flatMap((command) => [
    `complete -c ${program} -f -n "__zitadel_user_grants_in" -a ${command.name} -d ${quote(command.summary)}`,
    `complete -c ${program} -f ${inCommand("help")} -a ${command.name} -d ${quote(command.summary)}`,
    ...(command.values
      ? [
          `complete -c ${program} -f ${inCommand(command.name)} -a ${quote(command.values.join(" "))}`,
        ]
      : []),
    ...Object.entries(flagsOf(command)).map(([name, flag]) => {
      const value =
        flag.type === "boolean"
          ? ""
          : flag.values
            ? ` -x -a ${quote(flag.values.join(" "))}`
            : flag.file
              ? " -r -F"
              : " -x";
      const short = flag.short === undefined ? "" : ` -s ${flag.short}`;
      return `complete -c ${program} ${inCommand(command.name)} -l ${name}${short}${value} -d ${quote(flag.help)}`;
    }),
  ]);
  return `# fish completion for ${program}: ${program} completion fish | source
# Whether the first word is this command; without one, whether there is no word yet.
function __zitadel_user_grants_in
  set -l words (commandline -opc)
  test "$words[2]" = "$argv[1]"
end
complete -c ${program} -f -n "__zitadel_user_grants_in" -a help -d ${quote(help.summary)}
${lines.join("\n")}
`;
}

function commandNames(commands: readonly Command[]): string[] {
  return [...commands, help].map(({ name }) => name);
}

function wordsOf(command: Command): string[] {
  return [...(command.values ?? []), ...Object.keys(flagsOf(command)).map((name) => `--${name}`)];
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
