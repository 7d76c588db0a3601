import { Code, ConnectError } from "@connectrpc/connect";
import { describeError, ErrorDetailSchema, type ManagementClient } from "../../src/index.js";
import type { CommonOptions } from "../../src/options/options.js";
import type { Generation, SandboxServer, SandboxServerOptions } from "../../src/sandbox/index.js";

/** What a scenario has at hand. */
export interface Stage {
  sandbox: SandboxServer;
  /** A client of the protocol that is on trial, with the sandbox's token unless told otherwise. */
  client: (options?: Partial<CommonOptions>) => ManagementClient;
}

/** One behaviour that no protocol may show in another way. */
export interface Scenario {
  title: string;
  /** Where only this one does it. */
  generation?: Generation;
  sandbox?: SandboxServerOptions;
  /** What happens, in a form that can be compared. */
  run: (stage: Stage) => Promise<unknown>;
  expected: unknown;
}

/** What is expected of a generation: v2.70 sends no request ids. */
export function expectedOf({ expected }: Scenario, generation: Generation): unknown {
  const mask = (value: unknown): unknown => {
    if (Array.isArray(value)) {
      return value.map(mask);
    }
    return value?.constructor === Object
      ? Object.fromEntries(
          Object.entries(value).map(([name, inner]) => [
            name,
            name === "requestId" ? undefined : mask(inner),
          ]),
        )
      : value;
  };
  return generation === "v4" ? expected : mask(expected);
}

export const requestId = "a request id";

/** What a caller sees of an error: all that may be looked at, and nothing that differs by its nature. */
export async function failure(call: Promise<unknown>): Promise<object> {
  const error = await call.then(
    (value) => {
      throw new Error(`went well: ${value}`);
    },
    (reason: unknown) => reason,
  );
  if (!(error instanceof ConnectError)) {
    throw error;
  }
  const { code, id, message, requestId: request } = describeError(error);
  return {
    code: Code[code],
    id,
    message,
    rawMessage: error.rawMessage,
    details: error.findDetails(ErrorDetailSchema).map((detail) => ({ ...detail })),
    requestId: /^[0-9a-v]{20}$/.test(request ?? "") ? requestId : request,
  };
}

/** The failure that ZITADEL's own errors are: the text, with the id in brackets in the message. */
export function own(code: keyof typeof Code, id: string, text: string, message = text): object {
  return {
    code,
    id,
    message,
    rawMessage: `${text} (${id})`,
    details: [{ $typeName: "zitadel.v1.ErrorDetail", id, message: text }],
    requestId,
  };
}

/** The failure of a library that the server is built with. */
export function foreign(code: keyof typeof Code, message: string): object {
  return { code, id: undefined, message, rawMessage: message, details: [], requestId };
}
