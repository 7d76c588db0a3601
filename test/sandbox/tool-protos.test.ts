import type { DescEnum, DescMessage, DescMethod } from "@bufbuild/protobuf";
import { getOption, ScalarType } from "@bufbuild/protobuf";
import { AuthService as TheirAuth } from "@zitadel/proto/zitadel/auth_pb.js";
import { AuthorizationsSearchFilterSchema as TheirFilter } from "@zitadel/proto/zitadel/authorization/v2beta/authorization_pb.js";
import { PaginationRequestSchema as TheirPagination } from "@zitadel/proto/zitadel/filter/v2/filter_pb.js";
import { ManagementService as TheirManagement } from "@zitadel/proto/zitadel/management_pb.js";
import { expect, it } from "vitest";
import { http } from "../../gen/google/api/annotations_pb.js";
import { AuthService } from "../../gen/tool/auth_pb.js";
import { AuthorizationsSearchFilterSchema } from "../../gen/tool/authorization_pb.js";
import { PaginationRequestSchema } from "../../gen/tool/filter_pb.js";
import { ManagementService } from "../../gen/tool/management_pb.js";

type Described = readonly [path: string, facts: string];

/** Each field and enum value that a message leads to: its name, number and type. */
function describeMessage(message: DescMessage, seen = new Map<string, string>()) {
  if (seen.has(message.typeName)) {
    return seen;
  }
  seen.set(message.typeName, message.kind);
  for (const field of message.fields) {
    const target = field.message ?? field.enum;
    seen.set(
      `${message.typeName}.${field.name}`,
      [
        field.number,
        field.fieldKind,
        target?.typeName ?? ScalarType[field.scalar ?? 0],
        field.oneof?.name,
      ].join(" "),
    );
    if (target?.kind === "message") {
      describeMessage(target, seen);
    } else if (target !== undefined) {
      describeEnum(target, seen);
    }
  }
  return seen;
}

function describeEnum(described: DescEnum, seen: Map<string, string>) {
  for (const { name, number } of described.values) {
    seen.set(`${described.typeName}.${name}`, String(number));
  }
}

/** What ours says that theirs does not. Ours leaves out what nothing reads. */
function differences(ours: DescMessage, theirs: DescMessage, rename = (name: string) => name) {
  const known = new Map(
    [...describeMessage(theirs)].map(([path, facts]): Described => [rename(path), rename(facts)]),
  );
  return [...describeMessage(ours)].filter(([path, facts]) => known.get(path) !== facts);
}

const methods: [DescMethod, DescMethod][] = [ManagementService, AuthService].flatMap((service) =>
  service.methods.map((method): [DescMethod, DescMethod] => {
    const theirs = service === ManagementService ? TheirManagement : TheirAuth;
    const found = theirs.methods.find(({ name }) => name === method.name);
    return [method, found as DescMethod];
  }),
);

it.each(methods)("%s has ZITADEL's names, numbers and route", (ours, theirs) => {
  expect(ours.parent.typeName).toBe(theirs.parent.typeName);
  // Newer than the published protos.
  const inUserIds = /^zitadel\.user\.v1\.UserGrant(InUserIDsQuery|Query\.in_user_ids_query)/;
  const found = [
    ...differences(ours.input, theirs.input),
    ...differences(ours.output, theirs.output),
  ];
  expect(found.filter(([path]) => !inUserIds.test(path))).toEqual([]);
  const route = theirs.proto.options?.$unknown?.find(({ no }) => no === 72295728)?.data;
  const { pattern, body } = getOption(ours, http);
  // The bytes of the rule: field numbers and lengths before each text.
  const texts = [pattern.value as string, body].filter((text) => text !== "").sort();
  const decoded = new TextDecoder().decode(route);
  for (const text of texts) {
    expect(decoded).toContain(text);
  }
  const verbs: Record<string, number> = { get: 2, put: 3, post: 4, delete: 5, patch: 6 };
  expect(decoded).toContain(
    String.fromCharCode((verbs[pattern.case ?? ""] ?? 0) * 8 + 2, String(pattern.value).length),
  );
});

it("ListAuthorizations pages and filters as ZITADEL does", () => {
  expect(differences(PaginationRequestSchema, TheirPagination)).toEqual([]);
  // The published protos have its beta alone, where a filter by users takes one.
  const differ = differences(AuthorizationsSearchFilterSchema, TheirFilter, (name) =>
    name.replaceAll("v2beta", "v2"),
  );
  expect(differ).toEqual([
    [
      "zitadel.authorization.v2.AuthorizationsSearchFilter.in_user_ids",
      "4 message zitadel.filter.v2.InIDsFilter filter",
    ],
  ]);
});
