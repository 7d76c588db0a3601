/** What a page imports. */
export interface Page {
  names: string;
  entry: string;
  /** The most that it may weigh: minified, gzip -9. 1 kB is 1,000 bytes. */
  maxBytes: number;
  /** Files that must not be in it. */
  without?: RegExp;
}

const client = /\/sandbox\/|\/auth\/|\/bulk\/|connect-node|connect-web/;

export const pages: readonly Page[] = [
  {
    names: "createManagementClient",
    entry: "zitadel-user-grants",
    maxBytes: 33_500,
    without: client,
  },
  {
    names: "createManagementClient",
    entry: "zitadel-user-grants/grpc-web",
    maxBytes: 33_500,
    without: client,
  },
  {
    names: "createManagementClient",
    entry: "zitadel-user-grants/json",
    maxBytes: 35_500,
    without: client,
  },
  { names: "createTransport", entry: "zitadel-user-grants", maxBytes: 45_000 },
  { names: "createTransport", entry: "zitadel-user-grants/json", maxBytes: 42_500 },
  {
    names: "signIn",
    entry: "zitadel-user-grants/auth",
    maxBytes: 7_500,
    without: /\/sandbox\/|\/jose\/|\/auth\/(?:service-user|key)\.|protobuf/,
  },
  // For edge workers: a page has no key file. Bundlers that split keep what signIn loads later in one file
  // with what both use.
  { names: "serviceUser", entry: "zitadel-user-grants/auth", maxBytes: 18_500 },
  {
    names: "removeUserGrants",
    entry: "zitadel-user-grants/bulk",
    maxBytes: 15_500,
    without: /\/sandbox\/|\/auth\/|\/transports\/|connect-node/,
  },
  {
    names: "ManagementService",
    entry: "zitadel-user-grants/gen/zitadel/management_pb.js",
    maxBytes: 17_500,
  },
];

/** The code of a page. */
export const importOf = ({ names, entry }: Pick<Page, "names" | "entry">): string =>
  `import { ${names} } from "${entry}"; globalThis.used = [${names}];`;
