import type { ChildProcess } from "node:child_process";

/** Waits until a program writes what matches to stderr, and returns the first group of it. */
export function said(child: ChildProcess, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    child.stderr?.on("data", (chunk) => {
      text += chunk;
      const match = pattern.exec(text);
      if (match?.[1] !== undefined) {
        resolve(match[1]);
      }
    });
    child.on("error", reject);
    child.on("exit", (code) => reject(new Error(`ended with ${code}: ${text}`)));
  });
}

/** Ends a program that leads a process group, and all that it started. */
export async function endProgram(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once("exit", resolve));
  if (child.pid !== undefined && child.exitCode === null) {
    process.kill(-child.pid, "SIGKILL");
    await ended;
  }
}
