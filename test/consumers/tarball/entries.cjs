const manifest = require("zitadel-user-grants/package.json");

// The entry for OpenTelemetry is for programs that have its API, which is an optional peer.
const others = ["./package.json", "./opentelemetry", "./proto/*"];
for (const entry of Object.keys(manifest.exports)) {
  if (!others.includes(entry)) {
    const name = `zitadel-user-grants${entry.slice(1).replace("*", "zitadel/management_pb")}`;
    console.log(name, Object.keys(require(name)).length);
  }
}
