import { lookup } from "node:dns/promises";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { proxyFor } from "../../transports/grpc/connections/proxy.js";
import { reasonOf } from "../whoami.js";
import type { Finding } from "./finding.js";

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
