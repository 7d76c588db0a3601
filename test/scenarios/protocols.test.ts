import { describe, expect, it, onTestFinished } from "vitest";
import * as grpc from "../../src/grpc.js";
import * as grpcWeb from "../../src/grpc-web.js";
import * as json from "../../src/json.js";
import { startSandbox } from "../../src/sandbox/index.js";
import { type Scenario, type Stage, scenarios } from "./scenarios.js";

const protocols = {
  gRPC: grpc.createManagementClient,
  "gRPC-web": grpcWeb.createManagementClient,
  JSON: json.createManagementClient,
};

/** A sandbox and clients of one protocol, each call through a socket. */
async function stageFor(
  protocol: keyof typeof protocols,
  { sandbox: options }: Scenario,
): Promise<Stage> {
  const sandbox = await startSandbox(options);
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

describe.each(Object.keys(protocols) as (keyof typeof protocols)[])("over %s:", (protocol) => {
  it.each(scenarios.map((scenario) => [scenario.title, scenario] as const))(
    "%s",
    async (_, scenario) => {
      const stage = await stageFor(protocol, scenario);
      expect(await scenario.run(stage)).toEqual(scenario.expected);
    },
  );
});
