import {
  create,
  type DescMessage,
  fromJson,
  type JsonValue,
  type JsonWriteOptions,
  toJson,
} from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ManagementService } from "../../../gen/zitadel/management_pb.js";
import * as plain from "../../../src/transports/call/plain-json.js";

const { deactivateUserGrant, bulkRemoveUserGrant } = ManagementService.method;
const messages = ManagementService.methods.flatMap(({ input, output }) => [input, output]);

/** What a function returns, or that it throws. */
function outcome<T>(run: () => T): T | "throws" {
  try {
    return run();
  } catch {
    return "throws";
  }
}

const twoDigits = fc.integer({ min: 0, max: 70 }).map((value) => String(value).padStart(2, "0"));
const time = fc
  .tuple(
    fc.constantFrom("0000", "0001", "1969", "1970", "2024", "2025", "9999", "12024", "-001"),
    fc.array(fc.oneof(twoDigits, fc.constant("01")), { minLength: 5, maxLength: 5 }),
    fc.constantFrom("", ".", ".1", ".120", ".000000001", ".123456789", ".1234567890", ",5"),
    fc.constantFrom("Z", "z", "", "+00:00", "-23:59", "+14:00", "+24:00", "+1:00", "+0100", " "),
  )
  .map(
    ([year, [month, day, hour, minute, second], fraction, zone]) =>
      `${year}-${month}-${day}T${hour}:${minute}:${second}${fraction}${zone}`,
  );
const validTime = fc
  .date({ min: new Date(-62135596800000), max: new Date(253402300799999), noInvalidDate: true })
  .map((date) => date.toISOString());
const integer = fc.oneof(
  fc.bigInt({ min: -2n, max: 2n ** 64n + 2n }).map(String),
  fc.constantFrom("", " 1 ", "0x1f", "1.0", "1e3", "01", "-0", "1n", "+1", "18446744073709551615"),
  fc.integer({ min: -2 }),
  fc.double(),
);
const text = fc.oneof(fc.string({ unit: "grapheme" }), fc.constantFrom("", "\ud800", "a\udfffb"));
const anything = fc.jsonValue() as fc.Arbitrary<JsonValue>;
const value = fc.oneof(time, validTime, integer, text, anything, fc.constant(null), fc.array(text));

const details = fc.dictionary(
  fc.constantFrom(
    "sequence",
    "creationDate",
    "creation_date",
    "changeDate",
    "change_date",
    "resourceOwner",
    "resource_owner",
    "unknown",
    "constructor",
  ),
  value,
);
const validDetails = fc.record(
  {
    sequence: fc.oneof(fc.maxSafeNat(), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String)),
    creationDate: validTime,
    change_date: validTime,
    resourceOwner: fc.string({ unit: "grapheme" }),
  },
  { requiredKeys: [] },
);
const response = fc.oneof(
  fc.record({ details: validDetails }),
  fc.dictionary(
    fc.constantFrom("details", "toString", "grantId", "[zitadel.v1.extension]"),
    fc.oneof(details, validDetails, value),
  ),
  anything,
) as fc.Arbitrary<JsonValue>;

describe("JSON of ManagementService's messages is read and written as by protobuf-es:", () => {
  it.each([deactivateUserGrant.output, bulkRemoveUserGrant.output])(
    "any response, %s",
    (output) => {
      let read = 0;
      fc.assert(
        fc.property(response, fc.boolean(), (json, ignoreUnknownFields) => {
          const options = { ignoreUnknownFields };
          const expected = outcome(() => fromJson<DescMessage>(output, json, options));
          read += expected === "throws" ? 0 : 1;
          expect(outcome(() => plain.fromJson<DescMessage>(output, json, options))).toEqual(
            expected,
          );
        }),
        { numRuns: 3_000 },
      );
      // Neither only what is rejected, nor only what is accepted.
      expect(read).toBeGreaterThan(300);
      expect(read).toBeLessThan(2_900);
    },
  );

  it.each([
    [deactivateUserGrant.input, fc.oneof({ weight: 3, arbitrary: text }, fc.constant(5))],
    [bulkRemoveUserGrant.input, fc.array(fc.oneof({ weight: 9, arbitrary: text }, fc.constant(5)))],
  ] as const)("any request, %s", (input, field) => {
    const write = { alwaysEmitImplicit: fc.boolean(), useProtoFieldName: fc.boolean() };
    let written = 0;
    fc.assert(
      fc.property(fc.tuple(field, field), fc.record(write), ([userId, grantId], options) => {
        // As an interceptor might leave it.
        const message = Object.assign(create<DescMessage>(input), { userId, grantId });
        const expected = outcome(() =>
          toJson<DescMessage, Partial<JsonWriteOptions>>(input, message, options),
        );
        written += expected === "throws" ? 0 : 1;
        expect(outcome(() => plain.toJson(input, message, options))).toEqual(expected);
      }),
      { numRuns: 2_000 },
    );
    expect(written).toBeGreaterThan(500);
    expect(written).toBeLessThan(1_900);
  });

  it.each([
    [deactivateUserGrant.input, { grantId: ["1"] }],
    [bulkRemoveUserGrant.input, { grantId: "1" }],
    [bulkRemoveUserGrant.input, { grantId: undefined }],
  ] as const)("%s with a field of another shape is not written", (input, fields) => {
    const message = Object.assign(create<DescMessage>(input), fields);
    expect(() => plain.toJson(input, message)).toThrow(/grant_id cannot be/);
  });

  it("a message of another type is not written", () => {
    expect(() =>
      plain.toJson(deactivateUserGrant.input, create(bulkRemoveUserGrant.input)),
    ).toThrow(
      "cannot write zitadel.management.v1.BulkRemoveUserGrantRequest as message zitadel.management.v1.DeactivateUserGrantRequest",
    );
  });

  it("the service has no kind of field that it does not know", () => {
    const kinds = (message: DescMessage): string[] =>
      message.typeName === "google.protobuf.Timestamp"
        ? []
        : message.fields.flatMap((field) =>
            field.message ? kinds(field.message) : [`${field.fieldKind} ${field.scalar}`],
          );
    // STRING is 9, UINT64 is 4.
    expect([...new Set(messages.flatMap(kinds))].sort()).toEqual([
      "list 9",
      "scalar 4",
      "scalar 9",
    ]);
  });
});
