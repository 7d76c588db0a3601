const manifest = require("zitadel-user-grants/package.json");

// The entry for OpenTelemetry is for programs that have its API, which is an optional peer.
for (const [entry, target] of Object.entries(manifest.exports)) {
  // A string is a file as it is: generated code, and what is no code.
  const isCode = target !== null && (typeof target === "object" || entry.startsWith("./gen/"));
  if (isCode && entry !== "./opentelemetry") {
    const name = `zitadel-user-grants${entry.slice(1).replace("*", "zitadel/management_pb")}`;
    console.log(name, Object.keys(require(name)).length);
  }
}
