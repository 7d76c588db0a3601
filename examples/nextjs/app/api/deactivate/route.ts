import { toJson } from "@bufbuild/protobuf";
import {
  DeactivateUserGrantResponseSchema,
  describeError,
  isGrantInactive,
  isGrantNotFound,
} from "zitadel-user-grants";
import { zitadel } from "../../../lib/zitadel";

// Native gRPC needs Node; the edge runtime has none.
export const runtime = "nodejs";

export async function POST(request: Request): Promise<Response> {
  // Browsers send this header, and a page of another site cannot leave it out or change it.
  if (!["same-origin", null].includes(request.headers.get("sec-fetch-site"))) {
    return Response.json({ message: "requests from other sites are not allowed" }, { status: 403 });
  }
  const { userId, grantId } = await request.json().catch(() => ({}));
  if (typeof userId !== "string" || typeof grantId !== "string") {
    return Response.json({ message: "userId and grantId must be strings" }, { status: 400 });
  }
  try {
    const response = await zitadel().deactivateUserGrant(
      { userId, grantId },
      { signal: request.signal },
    );
    // A message holds a bigint, which JSON.stringify rejects; toJson makes plain JSON of it.
    return Response.json(toJson(DeactivateUserGrantResponseSchema, response));
  } catch (error) {
    if (isGrantInactive(error)) {
      return Response.json({});
    }
    const { message, id, requestId } = describeError(error);
    return isGrantNotFound(error)
      ? Response.json(
          { message: `There is no grant ${grantId} in this organization.` },
          { status: 404 },
        )
      : Response.json({ message, id, requestId }, { status: 502 });
  }
}
