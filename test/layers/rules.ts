/** A room of `src/`: the files whose path begins so. */
export interface Room {
  path: string;
  /** Whether it may import from Node: such code runs in no page. */
  node?: boolean;
  /** What it may import from other rooms, where that is not everything below it: files, and folders with a `/`. */
  only?: readonly string[];
}

/** The tool is a program like those of other people: it has the public entries, and one module beside them. */
const givenToTool = [
  "index.ts",
  "grpc.ts",
  "grpc-web.node.ts",
  "json.ts",
  "debug.ts",
  "auth/index.ts",
  "bulk/index.ts",
  "bulk/internal.ts",
  "sandbox/index.ts",
  "gen/tool/",
];

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
  [{ path: "cli/", node: true, only: givenToTool }],
];
