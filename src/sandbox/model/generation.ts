/** The ZITADELs that the sandbox can be like. `docs/sandbox.md` lists what differs. */
export const generations = ["v4", "v2.70"] as const;

/** `"v4"` is a ZITADEL of July 2026, `"v2.70"` one of February 2025. */
export type Generation = (typeof generations)[number];
