import { describe, expect, it, onTestFinished } from "vitest";
import * as grpc from "../../src/grpc.js";
import * as grpcWeb from "../../src/grpc-web.js";
import * as json from "../../src/json.js";
import { type Generation, startSandbox } from "../../src/sandbox/index.js";
import { generations } from "../../src/sandbox/model/entities.js";
import { expectedOf, type Scenario, type Stage, scenarios } from "./scenarios.js";

const protocols = {
  gRPC: grpc.createManagementClient,
  "gRPC-web": grpcWeb.createManagementClient,
  JSON: json.createManagementClient,
};

/** A sandbox and clients of one protocol, each call through a socket. */
async function stageFor(
  protocol: keyof typeof protocols,
  generation: Generation,
  { sandbox: options }: Scenario,
): Promise<Stage> {
  const sandbox = await startSandbox({ ...options, generation });
  onTestFinished(() => sandbox.close());
  return {
    sandbox,
    client: (overrides = {}) => {
      const client = protocols[protocol]({
        baseUrl: sandbox.baseUrl,
        token: sandbox.token,
        ...overrides,
      });
      onTestFinished(() => grpc.close(client));
      return client;
    },
  };
}

const stages = (Object.keys(protocols) as (keyof typeof protocols)[]).flatMap((protocol) =>
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
