/** A check, and its result. */
export interface Finding {
  readonly ok: boolean;
  readonly title: string;
  readonly detail: string;
}
