import type { RemoveUserGrantsOptions } from "../../src/bulk/options.js";
import type { RemoveOutcome } from "../../src/bulk/outcome.js";
import { removeUserGrantsIn } from "../../src/bulk/remove.js";
import { FakeEnvironment } from "../support/fake-environment.js";
import { ModelServer } from "./model-server.js";

/** A model of ZITADEL, and removals in its time. */
export function setUp() {
  const world = new FakeEnvironment(1);
  const server = new ModelServer(world);
  const add = (...ids: string[]) => {
    for (const id of ids) {
      server.grants.set(id, "active");
    }
    return ids;
  };
  const remove = (
    ids: Iterable<string> | AsyncIterable<string>,
    options: RemoveUserGrantsOptions = {},
  ) => removeUserGrantsIn(world, server.client, ids, options);
  /** Runs to the end, in the model's time. */
  const collect = async (run: AsyncIterable<RemoveOutcome>) => {
    const outcomes: RemoveOutcome[] = [];
    let thrown: unknown;
    await world.run(
      (async () => {
        try {
          for await (const outcome of run) {
            outcomes.push(outcome);
          }
        } catch (error) {
          thrown = error;
        }
      })(),
    );
    return { outcomes, thrown, of: (id: string) => outcomes.find(({ grantId }) => grantId === id) };
  };
  return { world, server, add, remove, collect };
}

export const numbered = (count: number, prefix = "") =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`);
