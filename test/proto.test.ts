import { readFile } from "node:fs/promises";
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

  it("carries the HTTP routes", () => {
    const { deactivateUserGrant, bulkRemoveUserGrant } = ManagementService.method;
    expect(getOption(deactivateUserGrant, http)).toMatchObject({
      pattern: { case: "post", value: "/users/{user_id}/grants/{grant_id}/_deactivate" },
      body: "*",
    });
    expect(getOption(bulkRemoveUserGrant, http)).toMatchObject({
      pattern: { case: "delete", value: "/user_grants/_bulk" },
      body: "*",
    });
  });

  // As in ZITADEL's own protos, which say it in prose: editors would strike through every call.
  it("is not marked as deprecated, neither in its descriptors nor in its declarations", async () => {
    const methods = Object.values(ManagementService.method);
    expect(methods.map(({ deprecated }) => deprecated)).toEqual([false, false]);
    const declarations = await readFile(
      new URL("../gen/zitadel/management_pb.d.ts", import.meta.url),
      "utf8",
    );
    expect(declarations).not.toContain("@deprecated");
  });
});
