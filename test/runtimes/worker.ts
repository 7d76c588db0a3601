// Runs the suite in a worker of Cloudflare's workerd: POST of the surroundings.
import * as entry from "the-entry";
import { runSuite } from "./suite.ts";
import type { Surroundings } from "./surroundings.ts";

export default {
  async fetch(request: Request): Promise<Response> {
    return Response.json(await runSuite(entry, (await request.json()) as Surroundings));
  },
};
