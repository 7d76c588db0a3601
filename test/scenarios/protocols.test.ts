import { describe, expect, it, onTestFinished } from "vitest";
import { type Generation, startSandbox } from "../../src/sandbox/index.js";
import { generations } from "../../src/sandbox/model/entities.js";
import type { Protocol } from "../faults/exchange.js";
import { createClient, protocols } from "../support/protocols.js";
import { callScenarios } from "./calls.js";
import { grantScenarios } from "./grants.js";
import { expectedOf, type Scenario, type Stage } from "./scenario.js";

const scenarios = [...grantScenarios, ...callScenarios];

/** A sandbox and clients of one protocol, each call through a socket. */
async function stageFor(
  protocol: Protocol,
  generation: Generation,
  { sandbox: options }: Scenario,
): Promise<Stage> {
  const sandbox = await startSandbox({ ...options, generation });
  onTestFinished(() => sandbox.close());
  return {
    sandbox,
    client: (overrides = {}) => {
      const { baseUrl, token } = sandbox;
      return createClient(protocol, { baseUrl, token, ...overrides });
    },
  };
}

const stages = protocols.flatMap((protocol) =>
  generations.map((generation) => [protocol, generation] as const),
);

describe.each(stages)("over %s, with ZITADEL %s:", (protocol, generation) => {
  const possible = scenarios.filter(
    (scenario) => (scenario.generation ?? generation) === generation,
  );
  it.each(possible.map((scenario) => [scenario.title, scenario] as const))(
    "%s",
    async (_, scenario) => {
      const stage = await stageFor(protocol, generation, scenario);
      expect(await scenario.run(stage)).toEqual(expectedOf(scenario, generation));
    },
  );
});
