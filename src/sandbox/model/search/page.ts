/** The requested part of a list: `zitadel.v1.ListQuery`. */
export interface Page {
  readonly offset: number;
  /** 0 for all. */
  readonly limit: number;
  readonly asc: boolean;
}

/** A part of a list, and the length of the whole list. */
export interface Found<T> {
  readonly items: readonly T[];
  /** 0 for a page past the end: ZITADEL counts in the same query, which then returns no row. */
  readonly total: number;
}

export function pageOf<T>(all: readonly T[], { offset, limit }: Page): Found<T> {
  const items = all.slice(offset, limit === 0 ? undefined : offset + limit);
  return { items, total: items.length === 0 ? 0 : all.length };
}
