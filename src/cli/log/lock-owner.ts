import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { platform, timestamp } from "../../common/environment.js";

/** The process that holds a lock, with enough detail to determine whether it is still running. */
export interface LockOwner {
  /** Unique to each lock. */
  readonly id: string;
  readonly pid: number;
  readonly host: string;
  readonly at: string;
  /** When the process started, in the system's units; a later process with the same number differs. */
  readonly startedAt: string | null;
  /** The boot id of the machine, and the namespace of the process number; null if unknown. */
  readonly boot: string | null;
  readonly machine: string | null;
  readonly pidNamespace: string | null;
}

let ourProcess: Omit<LockOwner, "id" | "at"> | undefined;

/** This process, as the owner of a new lock. */
export function thisOwner(): LockOwner {
  ourProcess ??= {
    pid: process.pid,
    host: hostname(),
    startedAt: startOf(process.pid),
    ...whereProcessesRun(),
  };
  return { id: randomUUID(), at: timestamp(platform), ...ourProcess };
}

/**
 * `ended`: the process has certainly exited. `running`: it has the number and the start time of the owner.
 * `unknown`: it belongs to another machine or container, and is not visible from here.
 */
export function ownerState(owner: LockOwner): "running" | "ended" | "unknown" {
  const here = whereProcessesRun();
  if (owner.host !== hostname() || owner.machine !== here.machine) {
    return "unknown";
  }
  if (owner.boot !== here.boot) {
    // Without a machine id, two machines with the same name cannot be distinguished.
    return here.machine === null ? "unknown" : "ended";
  }
  if (owner.pidNamespace !== here.pidNamespace) {
    return "unknown";
  }
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") {
      return "ended";
    }
    // EPERM: it runs, as another user.
  }
  const startedAt = startOf(owner.pid);
  return startedAt !== null && owner.startedAt !== null && startedAt !== owner.startedAt
    ? "ended"
    : "running";
}

function whereProcessesRun() {
  return {
    boot: readText("/proc/sys/kernel/random/boot_id"),
    machine: readText("/etc/machine-id"),
    pidNamespace: orNull(() => readlinkSync("/proc/self/ns/pid")),
  };
}

/** Null if the system does not report it; "ended" for a process that has exited and was not reaped yet. */
function startOf(pid: number): string | null {
  switch (process.platform) {
    case "linux": {
      const stat = readText(`/proc/${pid}/stat`);
      // The name before the last parenthesis may contain spaces.
      const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ") ?? [];
      return fields[0] === "Z" || fields[0] === "X" ? "ended" : (fields[19] ?? null);
    }
    case "darwin":
      return orNull(() =>
        execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" }).trim(),
      );
    default:
      return null;
  }
}

function readText(path: string): string | null {
  return orNull(() => readFileSync(path, "utf8").trim());
}

function orNull(read: () => string): string | null {
  try {
    return read() || null;
  } catch {
    return null;
  }
}
