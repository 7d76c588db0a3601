const manifest = require("zitadel-user-grants/package.json");

for (const entry of Object.keys(manifest.exports)) {
  if (entry !== "./package.json") {
    const name = `zitadel-user-grants${entry.slice(1).replace("*", "zitadel/management_pb.js")}`;
    console.log(name, Object.keys(require(name)).length);
  }
}
