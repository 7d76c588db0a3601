/** A room of `src/`: the files whose path begins so. */
export interface Room {
  path: string;
  /** Whether it may import from Node: such code runs in no page. */
  node?: boolean;
}

/**
 * The layers of `src/`, from low to high. A file imports from its own room and from lower layers, never
 * upwards, and never from another room of its layer. CONTRIBUTING.md shows the same.
 */
export const layers: readonly (readonly Room[])[] = [
  [{ path: "gen/google/" }, { path: "gen/zitadel/" }],
  [{ path: "common/" }],
  [{ path: "errors/" }],
  [{ path: "options/" }],
  [{ path: "transports/call/" }],
  [{ path: "transports/fetch/" }],
  [
    { path: "transports/grpc/", node: true },
    { path: "transports/grpc-web/" },
    { path: "transports/json/" },
  ],
  [{ path: "client/" }],
  [{ path: "auth/" }, { path: "bulk/" }],
  [{ path: "debug.ts" }, { path: "opentelemetry.ts" }],
  [{ path: "grpc.ts" }, { path: "grpc-web.ts" }, { path: "grpc-web.node.ts" }, { path: "json.ts" }],
  [{ path: "index.ts" }, { path: "index.web.ts" }],
  [{ path: "gen/tool/" }],
  [{ path: "sandbox/", node: true }],
  [{ path: "cli/", node: true }],
];
