import { run } from "../../program.js";

/** The server's half: the same program, in the same application. */
export async function POST(request) {
  return new Response(await run(await request.json()));
}
