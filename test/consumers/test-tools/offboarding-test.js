import assert from "node:assert/strict";
import { createSandbox } from "zitadel-user-grants/sandbox";
import { createOffboardingClient } from "./offboarding.js";

/** Removes what is there, and is content with what is gone. */
export async function offboard() {
  const sandbox = createSandbox();
  const offboarding = createOffboardingClient(sandbox.transport);
  const { userId, grantId } = sandbox.addGrant();

  await offboarding.deactivateUserGrant({ userId, grantId });
  assert.equal(sandbox.grant(grantId)?.state, "inactive");

  await offboarding.bulkRemoveUserGrant({ grantId: [grantId, "gone already"] });
  assert.equal(sandbox.grant(grantId), undefined);
  await offboarding.deactivateUserGrant({ userId, grantId });
}
