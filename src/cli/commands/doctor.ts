import { lookup } from "node:dns/promises";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { ConnectError } from "@connectrpc/connect";
import { close } from "../../client/close.js";
import { platform } from "../../common/environment.js";
import { withinTime } from "../../common/time-limit.js";
import { proxyFor } from "../../transports/grpc/proxy.js";
import { type Probe, probePermission, reasonOf } from "../account.js";
import {
  type Connection,
  connectionFlags,
  connectionNote,
  fetchThroughProxy,
  type ProtocolName,
  protocols,
  readConnection,
} from "../connect.js";
import { advice, explain } from "../explain.js";
import { type Command, type FlagTable, noArguments, parseFlags } from "../flags.js";
import { createLookup } from "../grants/lookup.js";
import { exitCode, type Io, line, UsageError } from "../io.js";
import { printable } from "../terminal.js";

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
        line(io.stdout, `${ok ? "ok  " : "FAIL"}  ${title.padEnd(17)}${printable(detail)}`);
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
    if (responds && show([await probeToken(connection)])) {
      show([await probeOrganization(connection)]);
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

export async function probeToken(connection: Connection): Promise<Finding> {
  const title = "token";
  try {
    const response = await connection.get("/oidc/v1/userinfo");
    const text = await response.text();
    if (response.status === 401) {
      return {
        ok: false,
        title,
        detail:
          "the server does not know it, or it has expired: get a new one, or use a key file, which renews it",
      };
    }
    return response.ok
      ? { ok: true, title, detail: `of account ${JSON.parse(text).sub}` }
      : { ok: false, title, detail: `/oidc/v1/userinfo responds with HTTP ${response.status}` };
  } catch (error) {
    return {
      ok: false,
      title,
      detail: error instanceof ConnectError ? explain(error) : reasonOf(error),
    };
  }
}

export async function probeOrganization(connection: Connection): Promise<Finding> {
  const title = "organization";
  const { orgId } = connection;
  try {
    const response = await connection.get(
      "/management/v1/orgs/me",
      orgId === undefined ? {} : { "x-zitadel-orgid": orgId },
    );
    const text = await response.text();
    if (response.ok) {
      const { org } = JSON.parse(text);
      const own = orgId === undefined ? ", the account's own: none was given" : "";
      return { ok: true, title, detail: `${org?.name} (${org?.id})${own}` };
    }
    const name = orgId ?? "the account's own";
    const [id] = Object.keys(advice).filter((known) => text.includes(known));
    return id === "AUTH-5mWD2"
      ? { ok: true, title, detail: `${name}; the role may not see what it is called` }
      : {
          ok: false,
          title,
          detail: `${name}: ${id === undefined ? `HTTP ${response.status} ${text.slice(0, 200)}` : `${id}. ${advice[id]}`}`,
        };
  } catch (error) {
    return { ok: false, title, detail: reasonOf(error) };
  }
}

/** Sends an empty removal over each protocol: permission is checked, and nothing is changed. */
export async function probeProtocols(connection: Connection): Promise<Finding[]> {
  const findings: Finding[] = [];
  let permission: Probe | undefined;
  for (const name of Object.keys(protocols) as ProtocolName[]) {
    const client = connection.createClient(name);
    const used = name === connection.protocol;
    try {
      const probe = await probePermission(client, name, "remove");
      const bodyLost = probe.reached && probe.detail.includes("COMMAND-5M0sd");
      const works = probe.reached && !bodyLost;
      findings.push({
        // A protocol that is not used may fail.
        ok: works || !used,
        title: name,
        detail: works
          ? "works"
          : `does not work${used ? "" : ", and is not used"}: ${probe.detail}`,
      });
      if (works && (used || permission === undefined)) {
        permission = probe;
      }
    } finally {
      close(client);
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
  const client = connection.createClient();
  const deactivate = await probePermission(client, connection.protocol, "deactivate");
  close(client);
  if (!deactivate.ok) {
    return {
      ok: false,
      title,
      detail: `may remove grants, but not deactivate: ${deactivate.detail}`,
    };
  }
  let lookUp = "";
  try {
    await createLookup(connection).searchGrants([], { offset: 0, limit: 1 });
  } catch (error) {
    lookUp = `; may not look them up, which list, selectors and verify need (user.grant.read): ${explain(error)}`;
  }
  const all = lookUp === "" ? "remove, deactivate and look up" : "remove and deactivate";
  return {
    ok: true,
    title,
    detail: `may ${all} grants (a role that is limited to some projects shows only when a grant of another project is changed)${lookUp}`,
  };
}

/** Beyond this, assertions of key files and tokens are rejected as not yet valid, or expired. */
const mostSkewMs = 30_000;
const timeoutMs = 30_000;
const timedOut = () => new Error(`no response within ${timeoutMs / 1000} s`);

/** The discovery document names the instance, and the response's date shows the server's clock. */
export async function probeInstance(connection: Connection): Promise<Finding[]> {
  const { baseUrl, instanceHost } = connection;
  const url = `${baseUrl}/.well-known/openid-configuration`;
  const fail = (detail: string): Finding[] => [{ ok: false, title: "instance", detail }];
  let response: Response;
  let text: string;
  try {
    // Without a token: the responder is not known yet.
    [response, text] = await withinTime(
      platform,
      timeoutMs,
      undefined,
      timedOut,
      async (signal) => {
        const response = await fetchThroughProxy(url, {
          ...(instanceHost === undefined
            ? {}
            : { headers: { "x-zitadel-instance-host": instanceHost } }),
          redirect: "manual",
          signal,
        });
        return [response, await response.text()];
      },
    );
  } catch (error) {
    const advice = url.startsWith("http:") ? " Does this port expect https?" : "";
    return fail(`${url}: ${reasonOf(error)}.${advice}`);
  }
  if (!response.ok) {
    return fail(`${url}: ${explainStatus(response, text, url)}`);
  }
  const issuer = issuerOf(text);
  if (issuer === undefined) {
    return fail(
      `${url} responds with something else than ZITADEL's discovery document: is this a proxy's page, or another server?`,
    );
  }
  return [
    { ok: true, title: "instance", detail: `ZITADEL responds, and calls itself ${issuer}` },
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
  switch (status) {
    case 502:
    case 503:
    case 504:
      return `HTTP ${status}: a proxy or load balancer responds, and cannot reach ZITADEL behind it. Is ZITADEL running?`;
    case 407:
      return "HTTP 407: the proxy wants a user and a password. Put them into HTTPS_PROXY.";
    case 401:
    case 403:
      return `HTTP ${status}: something in between does not let this request through: a gateway, a firewall, or a proxy.`;
    case 404:
      return "HTTP 404. ZITADEL picks its instance by the host name: is this the domain of one? Where the address is another, give --instance-host.";
    case 429:
      return "HTTP 429: too many requests from this address. Wait a minute.";
    default:
      return `HTTP ${status}, where ZITADEL responds with 200. Is this its address?`;
  }
}

function issuerOf(text: string): string | undefined {
  try {
    const { issuer } = JSON.parse(text);
    return typeof issuer === "string" ? issuer : undefined;
  } catch {
    return undefined;
  }
}

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
export async function probeNetwork(url: URL): Promise<Finding[]> {
  const proxy = proxyFor(url, process.env);
  if (proxy === undefined) {
    return await probeWay(url, "--url");
  }
  const variable = url.protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY";
  const used = { ok: true, title: "proxy", detail: `${proxy.host} (${variable})` };
  const findings = await probeWay(proxy, variable);
  return findings.every(({ ok }) => ok)
    ? [used, ...findings]
    : [
        used,
        ...findings.map((finding) => ({
          ...finding,
          detail: finding.ok
            ? finding.detail
            : `the proxy of ${variable} cannot be used: ${finding.detail} NO_PROXY names hosts that need none.`,
        })),
      ];
}

async function probeWay(url: URL, setting: string): Promise<Finding[]> {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const port = Number(url.port || (url.protocol === "https:" ? 443 : 80));
  let resolved: Finding;
  try {
    const addresses = await lookup(host, { all: true });
    resolved = {
      ok: true,
      title: "name resolution",
      detail: `${host} is ${addresses.map(({ address }) => address).join(", ")}`,
    };
  } catch (error) {
    return [
      {
        ok: false,
        title: "name resolution",
        detail: `${host} is not known here: ${reasonOf(error)}. Check ${setting}, DNS and VPN.`,
      },
    ];
  }
  return [
    resolved,
    url.protocol === "https:" ? await probeTls(host, port) : await probeTcp(host, port),
  ];
}

async function probeTcp(host: string, port: number): Promise<Finding> {
  const title = "connection";
  try {
    const socket = await opened(connectTcp({ host, port }), "connect");
    socket.destroy();
    return { ok: true, title, detail: `port ${port} responds, without TLS` };
  } catch (error) {
    return { ok: false, title, detail: refused(port, error) };
  }
}

async function probeTls(host: string, port: number): Promise<Finding> {
  const title = "TLS";
  try {
    const socket = (await opened(
      connectTls({ host, port, servername: host, ALPNProtocols: ["h2", "http/1.1"] }),
      "secureConnect",
    )) as TLSSocket;
    const { alpnProtocol } = socket;
    const version = socket.getProtocol();
    socket.destroy();
    return {
      ok: true,
      title,
      detail:
        alpnProtocol === "h2"
          ? `${version}, HTTP/2`
          : `${version}, without HTTP/2: a proxy in between will not let gRPC pass, use --protocol json or grpc-web`,
    };
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    return { ok: false, title, detail: certificateAdvice(code, error) ?? refused(port, error) };
  }
}

/** Codes of OpenSSL, as Node names them. */
function certificateAdvice(code: string, error: unknown): string | undefined {
  switch (code) {
    case "CERT_HAS_EXPIRED":
    case "CERT_NOT_YET_VALID":
      return `${reasonOf(error)}: renew the server's certificate, or set this machine's clock right`;
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return `the certificate is for another name: ${reasonOf(error)}`;
    case "SELF_SIGNED_CERT_IN_CHAIN":
    case "DEPTH_ZERO_SELF_SIGNED_CERT":
    case "UNABLE_TO_VERIFY_LEAF_SIGNATURE":
    case "UNABLE_TO_GET_ISSUER_CERT":
    case "UNABLE_TO_GET_ISSUER_CERT_LOCALLY":
      return `the certificate's authority is not known here (${code}): name its file in NODE_EXTRA_CA_CERTS`;
    default:
      return code.startsWith("ERR_SSL") || code === "EPROTO"
        ? `this port does not speak TLS (${reasonOf(error)}): is it http? Then the url begins with http://, or another port is the one for https.`
        : undefined;
  }
}

function refused(port: number, error: unknown): string {
  return `port ${port}: ${reasonOf(error)}. Is the server up, the port right, and a firewall in between?`;
}

function opened(socket: Socket, event: "connect" | "secureConnect"): Promise<Socket> {
  return new Promise((resolve, reject) => {
    socket.once(event, () => resolve(socket));
    socket.once("error", reject);
    socket.setTimeout(connectMs, () => {
      socket.destroy(new Error(`no response within ${connectMs / 1000} s`));
    });
  });
}

/** A check, and its result. */
export interface Finding {
  readonly ok: boolean;
  readonly title: string;
  readonly detail: string;
}
