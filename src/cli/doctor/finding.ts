/** What was tried, and what came of it. */
export interface Finding {
  readonly ok: boolean;
  readonly title: string;
  readonly detail: string;
}
