import { Code, ConnectError } from "@connectrpc/connect";
import { proxyFor, wasSent } from "../../bulk/internal.js";
import { createManagementClient } from "../../json.js";
import { noGrant, type Probe, probePermission, whoAmI } from "../account.js";
import {
  type Connection,
  connectionGroup,
  fetchThroughProxy,
  type ProtocolName,
  protocols,
  readConnection,
} from "../connect.js";
import { explain, messageOf } from "../explain.js";
import { defineCommand, type FlagTable } from "../flags.js";
import { createLookup, type Lookup } from "../grants/lookup.js";
import { exitCode, line } from "../io.js";
import { named } from "../log/read.js";
import { jsonText, paint, printable } from "../terminal.js";

const outputFlags = {
  json: { type: "boolean", help: "one JSON object: ok, and the findings" },
  quiet: { type: "boolean", short: "q", help: "print only what fails" },
} as const satisfies FlagTable;

/** The command `doctor`. */
export const doctor = defineCommand({
  name: "doctor",
  summary: "diagnose connection, token and permission problems",
  description:
    "Tries the connection, the account and its organization, each protocol and the permissions, and reports which of them fails and what to do. Changes nothing.",
  groups: [{ title: "Output", flags: outputFlags }, connectionGroup],
  async run(flags, _, io) {
    const connection = await readConnection(flags, io);
    const findings: Finding[] = [];
    for await (const finding of examine(connection)) {
      findings.push(finding);
      const { ok, title, detail } = finding;
      if (!flags.json && !(flags.quiet && ok)) {
        const verdict = ok ? "ok  " : paint(io.stdout, "failed", "FAIL");
        line(io.stdout, `${verdict}  ${title.padEnd(12)}${printable(detail)}`);
      }
    }
    const ok = findings.every((finding) => finding.ok);
    if (flags.json) {
      line(io.stdout, jsonText({ ok, findings }));
    } else if (!flags.quiet) {
      line(io.stdout);
      line(io.stdout, ok ? "All checks passed." : "Some checks failed: see FAIL above.");
    }
    return ok ? exitCode.done : exitCode.aborted;
  },
});

/** A check, and its result. */
interface Finding {
  readonly ok: boolean;
  readonly title: string;
  readonly detail: string;
}

/** The checks, in this order; the rest is left out where nothing can come of it. */
async function* examine(connection: Connection): AsyncGenerator<Finding> {
  const reached = await callWithoutToken(connection);
  yield reached;
  if (!reached.ok) {
    return;
  }
  // JSON has got through.
  const lookup = createLookup(connection.over("json"), { giveUpMs: 0 });
  try {
    const identity = await whoAmI(lookup, connection);
    const account = named(identity.accountName, identity.accountId);
    const detail = `${account}; organization: ${named(identity.orgName, identity.orgId)}`;
    yield { ok: true, title: "account", detail };
  } catch (error) {
    yield { ok: false, title: "account", detail: explain(error, "read") };
    return;
  }

  let removal: Probe | undefined;
  for (const name of Object.keys(protocols) as ProtocolName[]) {
    const probe = await probePermission(connection.over(name), "remove");
    const isUsed = name === connection.protocol;
    const problem = `does not work${isUsed ? "" : ", and is not used"}: ${probe.detail}`;
    yield { ok: probe.reached || !isUsed, title: name, detail: probe.reached ? "works" : problem };
    removal ??= probe.reached ? probe : undefined;
  }
  if (removal === undefined) {
    return;
  }
  yield { ok: removal.ok, title: "remove", detail: removal.detail };
  const { ok, detail } = await probePermission(connection, "deactivate");
  yield { ok, title: "deactivate", detail };
  yield { ok: true, title: "read", detail: await mayRead(lookup) };
}

/** ZITADEL rejects a call without a token. JSON gets through most proxies, and it is not known yet who responds. */
async function callWithoutToken({ baseUrl, instanceHost }: Connection): Promise<Finding> {
  const title = "connection";
  const options = { baseUrl, instanceHost, allowInsecure: true, fetch: fetchThroughProxy };
  try {
    await createManagementClient(options).deactivateUserGrant(noGrant);
    return { ok: false, title, detail: "OK without a token: is this ZITADEL?" };
  } catch (reason) {
    const error = ConnectError.from(reason);
    if (error.isWireError && error.code === Code.Unauthenticated) {
      const proxy = proxyFor(new URL(baseUrl), process.env);
      const through = proxy === undefined ? "" : `, through the proxy ${proxy.host}`;
      return { ok: true, title, detail: `ZITADEL responds at ${baseUrl}${through}` };
    }
    const advice =
      wasSent(error) === false
        ? "Check --url, DNS, VPN, firewall and the proxy (HTTPS_PROXY, HTTP_PROXY, NO_PROXY)."
        : "Is this the domain of an instance? Where that has another name, give --instance-host.";
    const isHttp = baseUrl.startsWith("http:") && !error.isWireError;
    const port = isHttp ? " Does this port expect https?" : "";
    return { ok: false, title, detail: `${messageOf(error)} ${advice}${port}` };
  }
}

/** Changes do not need this permission, so it is no failure to lack it. */
async function mayRead(lookup: Lookup): Promise<string> {
  try {
    await lookup.listGrants([], { offset: 0, limit: 1 });
    return "may read grants";
  } catch (error) {
    return `may not read grants, as list, selectors, verify and the check after a run do: ${explain(error, "read")}`;
  }
}
