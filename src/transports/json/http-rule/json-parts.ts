import type {
  DescMessage,
  JsonReadOptions,
  JsonValue,
  JsonWriteOptions,
  MessageShape,
} from "@bufbuild/protobuf";
import type { rejectOtherRoutes } from "./other-routes.js";
import type { toQuery } from "./query.js";

/** Parts that a page loads only if its services need them: see `any-service.ts` and `plain-json.ts`. */
export interface JsonParts {
  toJson(
    desc: DescMessage,
    message: MessageShape<DescMessage>,
    options?: Partial<JsonWriteOptions>,
  ): JsonValue;
  fromJson<D extends DescMessage>(
    desc: D,
    json: JsonValue,
    options?: Partial<JsonReadOptions>,
  ): MessageShape<D>;
  toQuery?: typeof toQuery;
  rejectOtherRoutes?: typeof rejectOtherRoutes;
}
