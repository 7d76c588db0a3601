// `npm publish` runs this first: a package page without its repository is of no help, and provenance
// cannot be checked against it.
import { readFileSync } from "node:fs";
import process from "node:process";

const { repository } = JSON.parse(
  readFileSync(new URL("../package.json", import.meta.url), "utf8"),
) as { repository?: { url?: string } };

if (!repository?.url) {
  console.error(`Not published: package.json does not name its repository. Add, with the public address:

  "repository": { "type": "git", "url": "git+https://github.com/OWNER/zitadel-user-grants.git" },
  "homepage": "https://github.com/OWNER/zitadel-user-grants#readme",
  "bugs": "https://github.com/OWNER/zitadel-user-grants/issues",
`);
  process.exitCode = 1;
}
