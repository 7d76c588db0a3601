import { Code, type Interceptor } from "@connectrpc/connect";
import { platform } from "../common/environment.js";
import { type DebugEvent, debug } from "../debug.js";
import { line, type Output } from "./io.js";
import { printable } from "./printable.js";

const shownCharacters = 1000;

/** Called with a plain request; the function that it returns is called with the response. */
export interface RequestDebug {
  request(method: string, url: string, body: string | undefined): (response: Response) => void;
}

/** Shows requests and responses, one line an event. Tokens are never included. */
export function createDebugOutput(
  output: Output,
): RequestDebug & { readonly interceptor: Interceptor } {
  const write = (text: string) =>
    line(output, `debug ${printable(text).slice(0, shownCharacters)}`);
  return {
    interceptor: debug((event) => write(toText(event))),
    request(method, url, body) {
      const startedMs = platform.monotonicMs();
      write(`> ${method} ${url}${body === undefined ? "" : ` ${body}`}`);
      return ({ status, headers }) => {
        const requestId = headers.get("x-request-id");
        const ms = Math.round(platform.monotonicMs() - startedMs);
        write(
          `< HTTP ${status} in ${ms} ms${requestId === null ? "" : `, request ${requestId}`}: ${method} ${url}`,
        );
      };
    },
  };
}

function toText(event: DebugEvent): string {
  const name = `#${event.attempt} ${event.method.replace(/.*\//, "")}`;
  switch (event.type) {
    case "request":
      return `> ${name} ${event.url} ${JSON.stringify(event.header)}`;
    case "message":
      return `${event.from === "client" ? ">" : "<"} ${name} ${JSON.stringify(event.message)}`;
    case "response":
      return `< ${name} in ${Math.round(event.durationMs)} ms ${JSON.stringify(event.header)}`;
    case "end":
      return `< ${name} OK ${JSON.stringify(event.trailer)}`;
    case "error":
      return `< ${name} ${Code[event.code]} in ${Math.round(event.durationMs)} ms: ${event.message} ${JSON.stringify(event.metadata)}`;
  }
}
