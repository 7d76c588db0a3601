import type { Mask } from "../../common/mask.js";
import { foreignText } from "./foreign-text.js";

/** An error response (RFC 6749, section 5.2). */
export interface OAuthError {
  readonly error: string;
  readonly description: string | undefined;
}

export function parseOAuthError(body: string): OAuthError | undefined {
  try {
    const { error, error_description: description } = JSON.parse(body);
    return typeof error === "string"
      ? { error, description: typeof description === "string" ? description : undefined }
      : undefined;
  } catch {
    return undefined;
  }
}

/** "invalid_grant (invalid assertion)" */
export function oauthErrorText({ error, description }: OAuthError, mask?: Mask): string {
  return foreignText(description === undefined ? error : `${error} (${description})`, mask);
}
