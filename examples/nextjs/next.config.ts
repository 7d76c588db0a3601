import type { NextConfig } from "next";

const config: NextConfig = {
  // Node loads the package itself; native gRPC needs no bundler.
  serverExternalPackages: ["zitadel-user-grants"],
};

export default config;
