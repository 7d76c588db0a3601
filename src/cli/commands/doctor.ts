import type { Command, FlagTable } from "../command.js";
import { connectionFlags, connectionNote, readConnection } from "../connection.js";
import { probeOrganization, probeProtocols, probeToken } from "../doctor/access.js";
import type { Finding } from "../doctor/finding.js";
import { probeInstance } from "../doctor/instance.js";
import { probeNetwork } from "../doctor/network.js";
import { noArguments, parseFlags } from "../flags.js";
import { exitCode, type Io, line, UsageError } from "../io.js";
import { printable } from "../printable.js";

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
  notes: "Exit codes: 0 everything is fine; 1 wrong usage; 4 a required check fails.",
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
