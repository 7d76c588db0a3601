import { lookup } from "node:dns/promises";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { proxyFor } from "../transports/grpc/connections/proxy.js";
import { reasonOf } from "./whoami.js";

/** What was tried, and what came of it. */
export interface Finding {
  readonly ok: boolean;
  readonly title: string;
  readonly detail: string;
}

const connectMs = 10_000;

/**
 * Tries what comes before any request: the name, the port, TLS. Where a proxy is in use that one is
 * tried: only it may know the name and reach the port.
 */
export async function probeNetwork(url: URL): Promise<Finding[]> {
  const proxy = proxyFor(url, process.env);
  const findings = await probeWay(proxy ?? url);
  return proxy === undefined
    ? findings
    : [{ ok: true, title: "proxy", detail: `${proxy.host} (HTTPS_PROXY)` }, ...findings];
}

async function probeWay(url: URL): Promise<Finding[]> {
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
        detail: `${host} is not known here: ${reasonOf(error)}. Check --url, DNS and VPN.`,
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
    return { ok: true, title, detail: `port ${port} answers, without TLS` };
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
        ? `what answers does not speak TLS (${reasonOf(error)}): is it http?`
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
      socket.destroy(new Error(`no answer within ${connectMs / 1000} s`));
    });
  });
}
