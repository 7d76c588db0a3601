/** The versions of ZITADEL that the sandbox can imitate. `docs/sandbox.md` lists the differences. */
export const generations = ["v4", "v2.70"] as const;

/** `"v4"` is a ZITADEL of July 2026, `"v2.70"` one of February 2025. */
export type Generation = (typeof generations)[number];
