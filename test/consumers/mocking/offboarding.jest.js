import { expect, it } from "@jest/globals";
import { createSandbox } from "zitadel-user-grants/sandbox";
import { createOffboardingClient } from "./offboarding.js";

it("removes what is there, and is content with what is gone", async () => {
  const sandbox = createSandbox();
  const offboarding = createOffboardingClient(sandbox.transport);
  const { userId, grantId } = sandbox.addGrant();

  await offboarding.deactivateUserGrant({ userId, grantId });
  expect(sandbox.grant(grantId)?.state).toBe("inactive");

  await offboarding.bulkRemoveUserGrant({ grantId: [grantId, "gone already"] });
  expect(sandbox.grant(grantId)).toBeUndefined();
  await offboarding.deactivateUserGrant({ userId, grantId });
});
