import { lookup } from "node:dns/promises";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { ConnectError } from "@connectrpc/connect";
import {
  explainFailure,
  isPermanent,
  platform,
  proxyFor,
  withinTime,
} from "../../bulk/internal.js";
import { describeError } from "../../index.js";
import { type Probe, probePermission } from "../account.js";
import {
  type Connection,
  connectionFlags,
  connectionNote,
  fetchThroughProxy,
  type ProtocolName,
  protocols,
  readConnection,
} from "../connect.js";
import { explain, inFlags } from "../explain.js";
import { type Command, type FlagTable, noArguments, parseFlags } from "../flags.js";
import { createLookup } from "../grants/lookup.js";
import { exitCode, type Io, line, UsageError } from "../io.js";
import { paint, printable } from "../terminal.js";

const outputFlags = {
  json: { type: "boolean", help: "one JSON object: ok, and the findings" },
} as const satisfies FlagTable;

/** The command `doctor`. */
export const doctor: Command = {
  name: "doctor",
  summary: "diagnose connection, token and permission problems",
  description:
    "Tries name resolution, proxy, connection and TLS, the instance and its clock, the token, the organization, each protocol and the permission, and reports which of them fails and what to do. Changes nothing.",
  groups: [
    { title: "Output", flags: outputFlags },
    { title: "Connection", flags: connectionFlags, note: connectionNote },
  ],
  run: runDoctor,
};

async function runDoctor(args: readonly string[], io: Io): Promise<number> {
  const { values, positionals } = parseFlags(args, { ...outputFlags, ...connectionFlags });
  noArguments("doctor", positionals);
  const connection = await readConnection(values, io);
  const all: Finding[] = [];
  const show = (findings: readonly Finding[]) => {
    for (const finding of findings) {
      all.push(finding);
      const { ok, title, detail } = finding;
      if (!values.json) {
        line(
          io.stdout,
          `${ok ? "ok  " : paint(io.stdout, "failed", "FAIL")}  ${title.padEnd(17)}${printable(detail)}`,
        );
      }
    }
    return findings.every(({ ok }) => ok);
  };
  let network: readonly Finding[];
  try {
    network = await probeNetwork(new URL(connection.baseUrl));
  } catch (error) {
    // HTTPS_PROXY is not a URL.
    throw new UsageError((error as Error).message);
  }
  if (show(network)) {
    const [instance, ...clock] = await probeInstance(connection);
    const responds = instance !== undefined && show([instance]);
    show(clock);
    const { finding, reachable } = responds ? await probeToken(connection) : {};
    if (finding !== undefined && show([finding]) && reachable !== undefined) {
      show([await probeOrganization(reachable)]);
      show(await probeProtocols(connection));
    }
  }
  const ok = all.every((finding) => finding.ok);
  if (values.json) {
    line(io.stdout, JSON.stringify({ ok, findings: all }));
  } else {
    line(io.stdout);
    line(io.stdout, ok ? "All checks passed." : "Some checks failed: see FAIL above.");
  }
  return ok ? exitCode.done : exitCode.aborted;
}

/** Whose token it is, over the first protocol that gets through. */
async function probeToken(
  connection: Connection,
): Promise<{ readonly finding: Finding; readonly reachable?: Connection }> {
  const title = "token";
  let first: string | undefined;
  for (const protocol of new Set([connection.protocol, "json", "grpc-web"] as const)) {
    const reachable = connection.over(protocol);
    try {
      const { userId, name } = await createLookup(reachable, once).account();
      const detail = `of account ${name === undefined ? userId : `${name} (${userId})`}`;
      return { finding: { ok: true, title, detail }, reachable };
    } catch (error) {
      const detail = explain(error, "read");
      if (describeError(error).id === "AUTH-Bs7Ds") {
        // The token is checked first.
        return { finding: { ok: true, title, detail: "the server knows it" }, reachable };
      }
      if (error instanceof ConnectError && error.isWireError) {
        return { finding: { ok: false, title, detail } };
      }
      first ??= detail;
    }
  }
  return { finding: { ok: false, title, detail: first ?? "" } };
}

async function probeOrganization(connection: Connection): Promise<Finding> {
  const title = "organization";
  const given = connection.orgId ?? "the account's own";
  try {
    const { id, name } = await createLookup(connection, once).organization();
    const own = connection.orgId === undefined ? ", the account's own: none was given" : "";
    return { ok: true, title, detail: `${name} (${id})${own}` };
  } catch (error) {
    return describeError(error).id === "AUTH-5mWD2"
      ? { ok: true, title, detail: `${given}; the role may not see what it is called` }
      : { ok: false, title, detail: `${given}: ${explain(error, "read")}` };
  }
}

/** Sends an empty removal over each protocol: permission is checked, and nothing is changed. */
async function probeProtocols(connection: Connection): Promise<Finding[]> {
  const findings: Finding[] = [];
  let permission: Probe | undefined;
  for (const name of Object.keys(protocols) as ProtocolName[]) {
    const used = name === connection.protocol;
    const probe = await probePermission(connection.over(name), "remove");
    findings.push({
      // A protocol that is not used may fail.
      ok: probe.reached || !used,
      title: name,
      detail: probe.reached
        ? "works"
        : `does not work${used ? "" : ", and is not used"}: ${probe.detail}`,
    });
    if (probe.reached && (used || permission === undefined)) {
      permission = probe;
    }
  }
  return permission === undefined
    ? findings
    : [...findings, await permissionFinding(connection, permission)];
}

/** What the account may do. Looking grants up is a separate permission that removal does not need. */
async function permissionFinding(connection: Connection, remove: Probe): Promise<Finding> {
  const title = "permission";
  if (!remove.ok) {
    return { ok: false, title, detail: remove.detail };
  }
  const deactivate = await probePermission(connection, "deactivate");
  if (!deactivate.ok) {
    return {
      ok: false,
      title,
      detail: `may remove grants, but not deactivate: ${deactivate.detail}`,
    };
  }
  let lookUp = "";
  try {
    await createLookup(connection, once).listGrants([], { offset: 0, limit: 1 });
  } catch (error) {
    lookUp = `; may not look them up, which list, selectors, verify and the check after a run need: ${explain(error, "read")}`;
  }
  const all = lookUp === "" ? "remove, deactivate and look up" : "remove and deactivate";
  return {
    ok: true,
    title,
    detail: `may ${all} grants (a role that is limited to some projects shows only when a grant of another project is changed)${lookUp}`,
  };
}

/** A diagnosis does not wait. */
const once = { giveUpMs: 0 };

/** Beyond this, assertions of key files and tokens are rejected as not yet valid, or expired. */
const mostSkewMs = 30_000;

/** The discovery document names the instance, and the response's date shows the server's clock. */
async function probeInstance({ baseUrl, instanceHost }: Connection): Promise<Finding[]> {
  const url = `${baseUrl}/.well-known/openid-configuration`;
  const title = "instance";
  const headers = instanceHost === undefined ? {} : { "x-zitadel-instance-host": instanceHost };
  let response: Response;
  let text: string;
  try {
    // Without a token: the responder is not known yet.
    [response, text] = await withinTime(platform, 30_000, undefined, timedOut, async (signal) => {
      const found = await fetchThroughProxy(url, { headers, redirect: "manual", signal });
      return [found, await found.text()] as const;
    });
  } catch (error) {
    const advice = url.startsWith("http:") ? " Does this port expect https?" : "";
    return [{ ok: false, title, detail: `${url}: ${failureOf(error)}.${advice}` }];
  }
  if (!response.ok) {
    return [{ ok: false, title, detail: `${url}: ${explainStatus(response, text, url)}` }];
  }
  const [, issuer] = /"issuer"\s*:\s*"([^"]*)"/.exec(text) ?? [];
  if (issuer === undefined) {
    const detail = `${url} responds with something else than ZITADEL's discovery document: is this a proxy's page, or another server?`;
    return [{ ok: false, title, detail }];
  }
  return [
    { ok: true, title, detail: `ZITADEL responds, and calls itself ${issuer}` },
    clockFinding(response.headers.get("date")),
  ];
}

/** What a status other than OK means before any call. */
function explainStatus({ status, headers }: Response, text: string, url: string): string {
  if (status >= 300 && status < 400) {
    const to = headers.get("location");
    const target = to !== null && URL.canParse(to, url) ? new URL(to, url) : undefined;
    return `HTTP ${status}, a redirect${target === undefined ? "" : ` to ${target.host}`}. Redirects are not followed with a token: ${
      target === undefined || /login|auth|saml/i.test(target.href)
        ? "a login page or gateway may be in between."
        : `set --url to ${target.origin}.`
    }`;
  }
  if (/HTTP request (was sent )?to (an )?HTTPS (server|port)/i.test(text)) {
    return `HTTP ${status}: this port expects https. Set --url to https://...`;
  }
  return `HTTP ${status}${statuses[status] ?? ", where ZITADEL responds with 200. Is this its address?"}`;
}

const unreachable =
  ": a proxy or load balancer responds, and cannot reach ZITADEL behind it. Is ZITADEL running?";
const forbidden =
  ": something in between does not let this request through: a gateway, a firewall, or a proxy.";
const timedOut = () => new Error("no response within 30 s");
const statuses: Readonly<Record<number, string>> = {
  401: forbidden,
  403: forbidden,
  404: ". ZITADEL picks its instance by the host name: is this the domain of one? Where the address is another, give --instance-host.",
  407: ": the proxy wants a user and a password. Put them into HTTPS_PROXY.",
  429: ": too many requests from this address. Wait a minute.",
  502: unreachable,
  503: unreachable,
  504: unreachable,
};

function clockFinding(date: string | null): Finding {
  const title = "clock";
  const serverMs = Date.parse(date ?? "");
  if (Number.isNaN(serverMs)) {
    return { ok: true, title, detail: "the response does not carry the server's time" };
  }
  // The header has a resolution of one second.
  const skewMs = platform.wallMs() - serverMs - 500;
  const seconds = Math.round(Math.abs(skewMs) / 1000);
  return Math.abs(skewMs) <= mostSkewMs
    ? { ok: true, title, detail: `${seconds} s apart from the server's` }
    : {
        ok: false,
        title,
        detail: `this machine's clock is ${seconds} s ${skewMs > 0 ? "ahead of" : "behind"} the server's: tokens from key files are rejected. Correct it, for example with NTP.`,
      };
}

const connectMs = 10_000;

/**
 * Checks what precedes any request: the name, the port, TLS. If a proxy is in use, the proxy is checked: only
 * it may be able to resolve the name and reach the port.
 */
async function probeNetwork(url: URL): Promise<Finding[]> {
  const proxy = proxyFor(url, process.env);
  if (proxy === undefined) {
    return await probeWay(url, "--url");
  }
  const variable = url.protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY";
  const used = { ok: true, title: "proxy", detail: `${proxy.host} (${variable})` };
  const findings = await probeWay(proxy, variable);
  const unusable = (detail: string) =>
    `the proxy of ${variable} cannot be used: ${detail} NO_PROXY names hosts that need none.`;
  return [
    used,
    ...findings.map((one) => (one.ok ? one : { ...one, detail: unusable(one.detail) })),
  ];
}

async function probeWay(url: URL, setting: string): Promise<Finding[]> {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const port = Number(url.port || (url.protocol === "https:" ? 443 : 80));
  const name = "name resolution";
  let addresses: readonly { readonly address: string }[];
  try {
    addresses = await lookup(host, { all: true });
  } catch (error) {
    const detail = `${host} is not known here: ${failureOf(error)}. Check ${setting}, DNS and VPN.`;
    return [{ ok: false, title: name, detail }];
  }
  const detail = `${host} is ${addresses.map(({ address }) => address).join(", ")}`;
  const isTls = url.protocol === "https:";
  const title = isTls ? "TLS" : "connection";
  try {
    const reached = isTls ? await reachTls(host, port) : await reachTcp(host, port);
    return [
      { ok: true, title: name, detail },
      { ok: true, title, detail: reached },
    ];
  } catch (error) {
    const advice = isPermanent(error)
      ? ""
      : " Is the server up, the port right, and a firewall in between?";
    return [
      { ok: true, title: name, detail },
      { ok: false, title, detail: `port ${port}: ${failureOf(error)}.${advice}` },
    ];
  }
}

async function reachTcp(host: string, port: number): Promise<string> {
  (await opened(connectTcp({ host, port }), "connect")).destroy();
  return `port ${port} responds, without TLS`;
}

async function reachTls(host: string, port: number): Promise<string> {
  const protocols = { servername: host, ALPNProtocols: ["h2", "http/1.1"] };
  const socket = await opened(connectTls({ host, port, ...protocols }), "secureConnect");
  const isHttp2 = socket.alpnProtocol === "h2";
  const version = socket.getProtocol();
  socket.destroy();
  return `${version}, ${isHttp2 ? "HTTP/2" : "without HTTP/2: a proxy in between will not let gRPC pass, use --protocol json or grpc-web"}`;
}

function opened<S extends Socket>(socket: S, event: string): Promise<S> {
  return new Promise((resolve, reject) => {
    socket.once(event, () => resolve(socket));
    socket.once("error", reject);
    socket.setTimeout(connectMs, () => {
      socket.destroy(new Error(`no response within ${connectMs / 1000} s`));
    });
  });
}

function failureOf(error: unknown): string {
  return inFlags(explainFailure(error)).replace(/\.$/, "");
}

/** A check, and its result. */
interface Finding {
  readonly ok: boolean;
  readonly title: string;
  readonly detail: string;
}
