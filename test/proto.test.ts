import { getOption } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { http } from "../gen/google/api/annotations_pb.js";
import { ManagementService } from "../gen/zitadel/management_pb.js";

describe("the generated service", () => {
  it("has the two RPCs and nothing else", () => {
    expect(Object.keys(ManagementService.method)).toEqual([
      "deactivateUserGrant",
      "bulkRemoveUserGrant",
    ]);
  });

  it("carries the HTTP routes and the deprecation marks", () => {
    const { deactivateUserGrant, bulkRemoveUserGrant } = ManagementService.method;
    expect(getOption(deactivateUserGrant, http)).toMatchObject({
      pattern: { case: "post", value: "/users/{user_id}/grants/{grant_id}/_deactivate" },
      body: "*",
    });
    expect(getOption(bulkRemoveUserGrant, http)).toMatchObject({
      pattern: { case: "delete", value: "/user_grants/_bulk" },
      body: "*",
    });
    expect(deactivateUserGrant.deprecated).toBe(true);
    expect(bulkRemoveUserGrant.deprecated).toBe(true);
  });
});
