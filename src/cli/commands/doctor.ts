import { ConnectError } from "@connectrpc/connect";
import { close } from "../../client/close.js";
import { describeError } from "../../errors/describe.js";
import type { Command } from "../command.js";
import {
  type Connection,
  connectionFlags,
  connectionNote,
  fetchThroughProxy,
  type ProtocolName,
  protocols,
  readConnection,
} from "../connection.js";
import { advice, explain } from "../explain.js";
import { noArguments, parseFlags } from "../flags.js";
import { exitCode, type Io, line, UsageError } from "../io.js";
import { type Finding, probeNetwork } from "../network.js";
import { reasonOf } from "../whoami.js";

/** Beyond this, assertions of key files and tokens are refused as not valid yet, or any more. */
const mostSkewMs = 30_000;

/** The command `doctor`. */
export const doctor: Command = {
  name: "doctor",
  summary: "find out what is wrong with connection, token or permission",
  description:
    "Tries name resolution, connection and TLS, the clock, the token, each protocol, organization and permission, and says which of them fails and what to do. Changes nothing.",
  groups: [{ title: "Connection", flags: connectionFlags, note: connectionNote }],
  notes: "Exit codes: 0 everything is fine; 1 wrong usage; 4 something that is needed fails.",
  run: runDoctor,
};

async function runDoctor(args: readonly string[], io: Io): Promise<number> {
  const { values, positionals } = parseFlags(args, connectionFlags);
  noArguments("doctor", positionals);
  const connection = await readConnection(values, io);
  let failed = false;
  const show = (findings: readonly Finding[]) => {
    for (const { ok, title, detail } of findings) {
      line(io.stdout, `${ok ? "ok  " : "FAIL"}  ${title.padEnd(17)}${detail}`);
      failed ||= !ok;
    }
    return findings.every(({ ok }) => ok);
  };
  let network: readonly Finding[];
  try {
    network = await probeNetwork(new URL(connection.baseUrl));
  } catch (error) {
    // HTTPS_PROXY holds no URL.
    throw new UsageError((error as Error).message);
  }
  if (show(network)) {
    const [instance, ...clock] = await probeInstance(connection);
    const answers = show([instance]);
    show(clock);
    if (answers && show([await probeToken(connection)])) {
      show([await probeOrganization(connection)]);
      show(await probeProtocols(connection));
    }
  }
  line(io.stdout);
  line(
    io.stdout,
    failed ? "Something is wrong: see FAIL above." : "Everything that was tried is fine.",
  );
  return failed ? exitCode.refused : exitCode.done;
}

/** The discovery document tells the instance's own name, and the answer's date the server's clock. */
async function probeInstance(connection: Connection): Promise<[Finding, ...Finding[]]> {
  const url = `${connection.baseUrl}/.well-known/openid-configuration`;
  const title = "instance";
  let response: Response;
  let issuer: unknown;
  try {
    response = await fetchThroughProxy(url, {
      redirect: "manual",
      signal: AbortSignal.timeout(30_000),
    });
    const text = await response.text();
    if (!response.ok) {
      return [
        {
          ok: false,
          title,
          detail: `${url} answers HTTP ${response.status}. ZITADEL picks its instance by the host name: is this the domain of one?`,
        },
      ];
    }
    issuer = JSON.parse(text).issuer;
  } catch (error) {
    return [
      {
        ok: false,
        title,
        detail: `${url}: ${reasonOf(error)}. Is this ZITADEL, and not a proxy's page?`,
      },
    ];
  }
  return [
    { ok: true, title, detail: `ZITADEL answers, and calls itself ${issuer}` },
    clockFinding(response.headers.get("date")),
  ];
}

function clockFinding(date: string | null): Finding {
  const title = "clock";
  const serverMs = Date.parse(date ?? "");
  if (Number.isNaN(serverMs)) {
    return { ok: true, title, detail: "the server does not tell its time" };
  }
  // The header counts whole seconds.
  const skewMs = Date.now() - serverMs - 500;
  const seconds = Math.round(Math.abs(skewMs) / 1000);
  return Math.abs(skewMs) <= mostSkewMs
    ? { ok: true, title, detail: `${seconds} s apart from the server's` }
    : {
        ok: false,
        title,
        detail: `this machine's clock is ${seconds} s ${skewMs > 0 ? "ahead of" : "behind"} the server's: tokens from key files are refused. Set it right, by NTP for example.`,
      };
}

async function probeToken(connection: Connection): Promise<Finding> {
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
      : { ok: false, title, detail: `/oidc/v1/userinfo answers HTTP ${response.status}` };
  } catch (error) {
    return {
      ok: false,
      title,
      detail: error instanceof ConnectError ? explain(error) : reasonOf(error),
    };
  }
}

async function probeOrganization(connection: Connection): Promise<Finding> {
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

/** Over each protocol, the removal of nothing: permission is checked, and nothing is changed. */
async function probeProtocols(connection: Connection): Promise<Finding[]> {
  const findings: Finding[] = [];
  let permission: Finding | undefined;
  for (const name of Object.keys(protocols) as ProtocolName[]) {
    const client = connection.createClient(name);
    try {
      await client.bulkRemoveUserGrant({ grantId: [] });
      findings.push({ ok: false, title: name, detail: "answers OK where ZITADEL refuses" });
    } catch (error) {
      const { id } = describeError(error);
      const reached = id !== undefined;
      const used = name === connection.protocol;
      findings.push({
        // What is not used may fail.
        ok: reached || !used,
        title: name,
        detail: reached
          ? "works"
          : `does not work${used ? "" : ", and is not used"}: ${explain(error)}`,
      });
      if (reached && (used || permission === undefined)) {
        permission = {
          ok: id === "COMMAND-5M0sd",
          title: "permission",
          detail:
            id === "COMMAND-5M0sd"
              ? "may remove grants (those of some projects may be left out: that shows with the grant)"
              : explain(error),
        };
      }
    } finally {
      close(client);
    }
  }
  return permission === undefined ? findings : [...findings, permission];
}
