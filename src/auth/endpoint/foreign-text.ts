import type { Mask } from "../../common/mask.js";

const maxCharacters = 300;

/** Makes foreign text fit for a message: no secret in it, on one line, not too long. */
export function foreignText(text: string, mask?: Mask): string {
  const clean = (mask?.text(text) ?? text).replace(/[\p{C}\s]+/gu, " ").trim();
  return clean.length > maxCharacters ? `${clean.slice(0, maxCharacters)}…` : clean;
}
