import type { Command } from "../command.js";
import { completion } from "./completion.js";
import { deactivate } from "./deactivate.js";
import { doctor } from "./doctor.js";
import { list } from "./list.js";
import { remove } from "./remove.js";
import { report } from "./report.js";
import { restore } from "./restore.js";
import { resume } from "./resume.js";
import { sandbox } from "./sandbox.js";
import { verify } from "./verify.js";

/** The commands, in the order in which help lists them. */
export const commands: readonly Command[] = [
  ...[list, remove, deactivate, resume, verify, restore, report],
  ...[doctor, sandbox, completion(() => commands)],
];
