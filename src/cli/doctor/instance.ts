import { platform } from "../../common/environment.js";
import { withinTime } from "../../common/time-limit.js";
import { type Connection, fetchThroughProxy } from "../connection.js";
import { reasonOf } from "../whoami.js";
import type { Finding } from "./finding.js";

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
