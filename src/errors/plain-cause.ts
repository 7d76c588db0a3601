import type { Mask } from "../common/mask.js";

/** The depth of nested causes that is kept: deeper ones add no information. */
const maxDepth = 4;

/**
 * The parts of a platform or library error that go into one of ours: name, code, system call and masked
 * message, and the same of its causes. Such errors can hold whole requests and raw bytes (`rawPacket`).
 *
 * @returns undefined for anything that is neither an error nor text.
 */
export function plainCause(reason: unknown, mask: Mask, depth = 0): Error | string | undefined {
  if (typeof reason === "string") {
    return mask.text(reason);
  }
  if (!(reason instanceof Error)) {
    return undefined;
  }
  const { name, code, syscall, cause, errors } = reason as Error & Record<string, unknown>;
  const inner = depth < maxDepth ? plainCause(cause, mask, depth + 1) : undefined;
  // One error for each address of the name.
  const several = Array.isArray(errors) ? errors.map((error) => error?.message).join(", ") : "";
  const message = mask.text(String(reason.message || several));
  const plain = new Error(message, inner === undefined ? undefined : { cause: inner });
  plain.name = mask.text(String(name));
  plain.stack = `${plain.name}: ${message}`;
  for (const property of ["name", "stack"]) {
    Object.defineProperty(plain, property, { enumerable: false });
  }
  return Object.assign(
    plain,
    typeof code === "string" && { code: mask.text(code) },
    typeof code === "number" && { code },
    // Shows whether there was a connection: see never-connected.ts.
    typeof syscall === "string" && { syscall: mask.text(syscall) },
  );
}
