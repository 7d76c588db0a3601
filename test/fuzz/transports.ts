import { Code, type ConnectError } from "@connectrpc/connect";
import fc from "fast-check";
import { type Fields, type Protocol, respondWell } from "../faults/exchange.js";
import { startWireServer } from "../faults/wire.js";
import { bodyOf, readRecordings, statusOf } from "../replay/recordings.js";
import { entries } from "../support/protocols.js";
import { mutate, mutateFields, mutations } from "./mutations.js";
import { countEnding, type Tally } from "./tally.js";

interface RecordedResponse {
  status: number;
  header: Fields;
  body: Buffer;
  trailer: Fields;
}

const ofConnection = new Set([":status", "transfer-encoding", "content-length", "connection"]);

/** A mutated response that never ends would make a call wait as long. */
const hangMs = 3_000;

/**
 * Calls again and again, each time getting the bytes of a recorded response that were changed at
 * random: in the body, the headers or the trailers. A call must end by itself, as a ConnectError or with
 * a response that the changed bytes really hold.
 */
export async function fuzzTransport(
  protocol: Protocol,
  numRuns: number,
  seed: number,
): Promise<Tally> {
  const exchanges = [...readRecordings(protocol), ...readRecordings(protocol, "v2.70")];
  const recorded = exchanges.map(([, exchange]): RecordedResponse => {
    const header = Object.entries(exchange.response.headers).filter(
      ([name]) => !ofConnection.has(name),
    );
    return {
      status: statusOf(exchange),
      header: Object.fromEntries(header) as Fields,
      body: bodyOf(exchange),
      trailer: exchange.response.trailers ?? {},
    };
  });
  const tally: Tally = {};
  const caller = await createCaller(protocol, tally);
  const property = fc.asyncProperty(
    fc.nat(recorded.length - 1),
    fc.constantFrom("body", "body", "header", "trailer", "all"),
    mutations,
    async (index, part, changes) => {
      const response = recorded[index] as RecordedResponse;
      const changed = (name: string) => part === name || part === "all";
      const mutated: RecordedResponse = {
        status: response.status,
        header: changed("header") ? mutateFields(response.header, changes) : response.header,
        body: changed("body") ? mutate(response.body, changes) : response.body,
        trailer: changed("trailer") ? mutateFields(response.trailer, changes) : response.trailer,
      };
      const error = await caller.call(mutated);
      if (error === undefined && !mayBeOk(protocol, mutated)) {
        throw new Error(`taken for a success: ${JSON.stringify(mutated)}`);
      }
      if (error?.code === Code.DeadlineExceeded && !error.isWireError) {
        throw new Error(`not ended by itself: ${JSON.stringify(mutated)}`);
      }
    },
  );
  try {
    await fc.assert(property, { numRuns, seed, endOnFailure: true });
    await caller.callWell();
  } finally {
    await caller.close();
  }
  return tally;
}

/** Whether a response says that the call was carried out, as far as a look from outside can tell. */
function mayBeOk(protocol: Protocol, { status, body, header, trailer }: RecordedResponse): boolean {
  if (protocol === "json") {
    const { code } = JSON.parse(body.toString().replace(/^\ufeff/, "")) ?? {};
    return status >= 200 && status < 300 && !(typeof code === "number" && code in Code);
  }
  if (protocol === "grpc") {
    return isZero(trailer["grpc-status"]) && isOneMessage(body);
  }
  const length = body.length >= 5 ? body.readUInt32BE(1) : 0;
  const trailers = body.subarray(5 + length);
  const statuses = trailers.toString("latin1").match(/grpc-status\s*:[^\n]*/gi) ?? [];
  return (
    isOneMessage(body.subarray(0, 5 + length)) &&
    trailers[0] === 128 &&
    statuses.length === 1 &&
    isZero(statuses[0]?.replace(/^[^:]*:/, "")) &&
    isZero(header["grpc-status"] ?? "0")
  );
}

function isZero(value: string | string[] | undefined): boolean {
  return typeof value === "string" && value.trim() === "0";
}

function isOneMessage(body: Buffer): boolean {
  return body.length >= 5 && (body[0] ?? 2) <= 1 && body.length === 5 + body.readUInt32BE(1);
}

interface Caller {
  /** Makes a call that gets this response; its error, if it fails. */
  call(response: RecordedResponse): Promise<ConnectError | undefined>;
  /** Makes a call that succeeds. */
  callWell(): Promise<void>;
  close(): Promise<void>;
}

const grant = { userId: "1", grantId: "2" };
const options = { timeoutMs: hangMs };

async function createCaller(protocol: Protocol, tally: Tally): Promise<Caller> {
  return protocol === "grpc" ? await createWireCaller(tally) : createFetchCaller(protocol, tally);
}

async function createWireCaller(tally: Tally): Promise<Caller> {
  let current: RecordedResponse | undefined;
  const server = await startWireServer("grpc", {
    respond(exchange) {
      if (current === undefined) {
        respondWell(exchange);
        return;
      }
      const { status, header, body, trailer } = current;
      exchange.head({ "content-type": [], ...header }, status);
      if (body.length > 0) {
        exchange.body(body);
      }
      exchange.end(Object.keys(trailer).length > 0 ? trailer : undefined);
    },
  });
  const client = entries.grpc.createManagementClient({ baseUrl: server.baseUrl });
  return {
    async call(response) {
      current = response;
      return await countEnding(tally, client.deactivateUserGrant(grant, options));
    },
    async callWell() {
      current = undefined;
      // The last mutated response may just be ending the connection.
      await client.deactivateUserGrant(grant, options).catch(() => undefined);
      await client.deactivateUserGrant(grant, options);
    },
    async close() {
      entries.grpc.close(client);
      await server.close();
    },
  };
}

function createFetchCaller(protocol: "grpc-web" | "json", tally: Tally): Caller {
  let current: () => Response = () => new Response();
  const client = entries[protocol].createManagementClient({
    baseUrl: "http://localhost",
    fetch: async () => current(),
  });
  return {
    async call({ status, header, body }) {
      const headers = new Headers();
      for (const [name, value] of Object.entries(header)) {
        try {
          headers.append(name, String(value));
        } catch {
          // No platform passes on a field like this.
        }
      }
      current = () => new Response(new Uint8Array(body), { status, headers });
      return await countEnding(tally, client.deactivateUserGrant(grant, options));
    },
    async callWell() {
      const [, exchange] = readRecordings(protocol)[0] ?? [];
      if (exchange !== undefined) {
        const headers = { "content-type": String(exchange.response.headers["content-type"]) };
        current = () => new Response(new Uint8Array(bodyOf(exchange)), { headers });
        await client.deactivateUserGrant(grant, options);
      }
    },
    async close() {},
  };
}
