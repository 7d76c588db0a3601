import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/** The process that holds a lock, in enough detail to tell whether it still runs. */
export interface LockOwner {
  /** Different for each lock that was ever taken. */
  readonly id: string;
  readonly pid: number;
  readonly host: string;
  readonly at: string;
  /** When the process started, as the system counts it; a process that got the number later differs. */
  readonly startedAt: string | null;
  /** The run of the machine, and the namespace that the process number is of; null where not known. */
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
  return { id: randomUUID(), at: new Date().toISOString(), ...ourProcess };
}

/**
 * `ended`: the process is certainly gone. `running`: it has the number and the start time of the owner.
 * `unknown`: it is of another machine or container, and cannot be seen from here.
 */
export function ownerState(owner: LockOwner): "running" | "ended" | "unknown" {
  const here = whereProcessesRun();
  if (owner.host !== hostname() || owner.machine !== here.machine) {
    return "unknown";
  }
  if (owner.boot !== here.boot) {
    // Without a machine's id, two machines of one name cannot be told apart.
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

/** Null where the system does not tell; "ended" for a process that has ended and was not waited for yet. */
function startOf(pid: number): string | null {
  switch (process.platform) {
    case "linux": {
      const stat = readText(`/proc/${pid}/stat`);
      // The name before the last parenthesis may hold spaces.
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
