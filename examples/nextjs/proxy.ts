import { timingSafeEqual } from "node:crypto";
import type { NextRequest } from "next/server";
import { NextResponse } from "next/server";

/**
 * Lets managers in with HTTP basic authentication. Replace it by your own sign-in; without any, everybody
 * who reaches the server could revoke access with its token.
 */
export function proxy(request: NextRequest): NextResponse {
  const expected = Buffer.from(`manager:${process.env.MANAGER_PASSWORD ?? ""}`);
  const [, credentials = ""] =
    /^Basic (.+)$/.exec(request.headers.get("authorization") ?? "") ?? [];
  const given = Buffer.from(credentials, "base64");
  const matches =
    process.env.MANAGER_PASSWORD &&
    given.length === expected.length &&
    timingSafeEqual(given, expected);
  return matches
    ? NextResponse.next()
    : new NextResponse("Sign in", {
        status: 401,
        headers: { "www-authenticate": 'Basic realm="access"' },
      });
}
