import type { ClientHttp2Session } from "node:http2";
import { expect, test } from "vitest";
import { Liveness } from "../../../src/transports/grpc/liveness.js";
import { FakeEnvironment } from "../../support/fake-environment.js";

test("who asks while a PING is on its way waits for the PONG of a PING of its own", () => {
  const pongs: ((error: Error | null) => void)[] = [];
  const session = { destroyed: false, ping: (onPong: (typeof pongs)[0]) => pongs.push(onPong) };
  const liveness = new Liveness(
    { pingIntervalMs: 1_000, pingIdleConnection: false, pingTimeoutMs: 5_000 },
    new FakeEnvironment(),
    () => undefined,
  );
  liveness.session = session as unknown as ClientHttp2Session;
  const told: string[] = [];
  liveness.ask(() => told.push("keep-alive"));
  liveness.ask(() => told.push("verification"));

  expect(pongs).toHaveLength(2);
  pongs[0]?.(null);
  expect(told).toEqual(["keep-alive"]);

  pongs[1]?.(null);
  expect(told).toEqual(["keep-alive", "verification"]);
});
