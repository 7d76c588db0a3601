/** What asking for a group said: nothing is left to do for it, or an item in it stands in the way. */
export type GroupAnswer = "settled" | "blocked";

/** Beyond this share of items in the way, groups hardly ever pass and each item is asked for alone. */
const denseShare = 0.25;
/** That share is not believed before so many were found. */
const denseCount = 4;

/**
 * Asks for all items in as few requests as it can, when a request fails as a whole for one item in it.
 *
 * A group that is blocked is halved until the first item in the way is alone, in log2(n) requests. Then
 * it goes on behind that item with groups as long as the way to it was, which grow fourfold while
 * they pass. So where few are in the way each of them costs a logarithm of the distance to the next,
 * and where all are, the length falls to one at once: 1 in 100 costs at most 14 requests, 100 in 100
 * cost 107. When half of a blocked group passes, the other half is not asked for as a whole: it would
 * be blocked.
 *
 * @param ask says "blocked" of a single item when that is in the way; it is settled all the same.
 */
export async function isolate<Item>(
  items: readonly Item[],
  ask: (group: readonly Item[]) => Promise<GroupAnswer>,
): Promise<void> {
  let from = 0;
  let blockers = 0;
  let passedSinceBlocker = 0;
  let length = items.length;
  while (from < items.length) {
    const group = items.slice(from, from + length);
    if (await passes(group)) {
      length = group.length * 4;
    } else {
      await findBlocker(group);
      length = passedSinceBlocker + 1;
      passedSinceBlocker = 0;
      blockers += 1;
    }
    if (blockers >= denseCount && blockers > from * denseShare) {
      length = 1;
    }
  }

  async function passes(group: readonly Item[]): Promise<boolean> {
    if ((await ask(group)) === "blocked") {
      return false;
    }
    from += group.length;
    passedSinceBlocker += group.length;
    return true;
  }

  async function findBlocker(blocked: readonly Item[]): Promise<void> {
    let group = blocked;
    let asked = true;
    while (group.length > 1) {
      const half = Math.ceil(group.length / 2);
      asked = !(await passes(group.slice(0, half)));
      group = asked ? group.slice(0, half) : group.slice(half);
    }
    if (!asked) {
      await ask(group);
    }
    from += 1;
  }
}
