import { Code } from "@connectrpc/connect";
import { RpcError } from "./errors.js";

/** The rule `string.min_len: 1, max_len: 200`, in the words of protoc-gen-validate: runes are code points. */
export function checkIdLength(field: string, id: string): void {
  const runes = [...id].length;
  if (runes < 1 || runes > 200) {
    throw new RpcError(
      Code.InvalidArgument,
      `invalid ${field}: value length must be between 1 and 200 runes, inclusive`,
    );
  }
}

/** Why a text violates the rule `string.max_len: 200`; undefined if it does not. */
export function tooLong(text: string): string | undefined {
  return text.length > 200 && [...text].length > 200
    ? "value length must be at most 200 runes"
    : undefined;
}

/** The rule `string.max_len: 200`. */
export function checkTextLength(field: string, text: string): void {
  const problem = tooLong(text);
  if (problem !== undefined) {
    throw new RpcError(Code.InvalidArgument, `invalid ${field}: ${problem}`);
  }
}
