import { create, toBinary } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import fc from "fast-check";
import { expect, it } from "vitest";
import { ErrorDetailSchema as ErrorDetailV2Schema } from "../../gen/zitadel/error/v2/error_pb.js";
import { ErrorDetailSchema } from "../../gen/zitadel/message_pb.js";
import { findZitadelDetail } from "../../src/errors/zitadel-detail.js";

/** As Connect finds and protobuf-es decodes them. */
function expected(details: ConnectError["details"]) {
  const error = new ConnectError("");
  error.details = details;
  return [
    ...error.findDetails(ErrorDetailSchema),
    ...error.findDetails(ErrorDetailV2Schema).map(({ slug, message }) => ({ id: slug, message })),
  ]
    .map(({ id, message }) => ({ id, message }))
    .find(({ id }) => id !== "");
}

const type = fc.constantFrom(
  "zitadel.v1.ErrorDetail",
  "zitadel.error.v2.ErrorDetail",
  "google.rpc.RetryInfo",
);
const text = fc.string({ unit: "grapheme", maxLength: 300 });
const encoded = fc
  .record({ id: fc.oneof(fc.constantFrom("", "COMMAND-3M9sd"), text), message: text })
  .map((detail) => toBinary(ErrorDetailSchema, create(ErrorDetailSchema, detail)));
// More fields than are known, known ones twice and with another wire type, bytes that are not text, cut off.
const pieces = fc
  .array(
    fc.oneof(
      encoded,
      fc.uint8Array({ maxLength: 6 }),
      fc.constantFrom(
        [8, 1],
        [10, 1, 255],
        [10, 1, 65],
        [18, 1, 66],
        [13, 1, 0, 0, 0],
        [26, 1, 67],
        [35, 36],
        [44],
        [0],
        [10, 200, 1],
      ),
    ),
    { maxLength: 4 },
  )
  .map((all) => Uint8Array.from(all.flatMap((piece) => [...piece])));
const received = fc.record({ type, value: fc.oneof(encoded, pieces) });
const made = fc.oneof(
  fc.record({
    desc: fc.constant(ErrorDetailSchema),
    value: fc.record({ id: text, message: text }),
  }),
  fc.record({
    desc: fc.constant(ErrorDetailV2Schema),
    value: fc.record({ slug: text }, { requiredKeys: [] }),
  }),
);

it("details are found and read as by Connect and protobuf-es, whatever their bytes", () => {
  let found = 0;
  const details = fc.array(fc.oneof({ weight: 4, arbitrary: received }, made), { maxLength: 4 });
  fc.assert(
    fc.property(details as fc.Arbitrary<ConnectError["details"]>, (details) => {
      const detail = expected(details);
      found += detail === undefined ? 0 : 1;
      expect(findZitadelDetail(details)).toEqual(detail);
    }),
    { numRuns: 5_000 },
  );
  expect(found).toBeGreaterThan(1_000);
  expect(found).toBeLessThan(4_900);
});
