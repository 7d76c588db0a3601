import type { Command } from "../command.js";
import { completionScript, shells } from "../completion.js";
import { oneOf, parseFlags } from "../flags.js";
import { exitCode, UsageError } from "../io.js";

/** The command `completion`. It gets the commands as an argument, since it is one of them. */
export function completion(commands: () => readonly Command[]): Command {
  return {
    name: "completion",
    summary: "print a script that makes your shell complete commands and flags",
    arguments: `<${shells.join("|")}>`,
    values: shells,
    description: "Prints a script for bash, zsh or fish that completes commands, flags and values.",
    examples: [
      'bash:  echo "source <(zitadel-user-grants completion bash)" >> ~/.bashrc',
      'zsh:   echo "source <(zitadel-user-grants completion zsh)" >> ~/.zshrc',
      "fish:  zitadel-user-grants completion fish > ~/.config/fish/completions/zitadel-user-grants.fish",
    ],
    groups: [],
    async run(args, io) {
      const [name, ...more] = parseFlags(args, {}).positionals;
      const shell = oneOf("completion", name, shells);
      if (shell === undefined || more.length > 0) {
        throw new UsageError(`completion takes one shell: ${shells.join(", ")}.`);
      }
      io.stdout.write(completionScript(shell, commands()));
      return exitCode.done;
    },
  };
}
