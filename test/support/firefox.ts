import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { vi } from "vitest";
import { endProgram, said } from "./browser-program.js";
import type { TestBrowser, TestPage } from "./test-browser.js";

export const firefoxBinary = "/usr/lib/firefox-esr/firefox-esr";

interface Reply {
  id: number;
  message?: string;
  result: {
    context?: string;
    contexts?: { context: string }[];
    userContext?: string;
    result?: { value: string };
    exceptionDetails?: { text: string };
  };
}

/** Sends a command and returns its result; see https://w3c.github.io/webdriver-bidi/. */
export type Send = (method: string, params?: object) => Promise<Reply["result"]>;

/** Debian's Firefox, through WebDriver BiDi. */
export async function startFirefox(): Promise<{ send: Send; close: () => Promise<void> }> {
  const profile = await mkdtemp(join(tmpdir(), "zitadel-user-grants-firefox-"));
  const args = ["--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0"];
  const firefox = spawn(firefoxBinary, args, {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, HOME: profile },
    detached: true,
  });
  const url = await said(firefox, /WebDriver BiDi listening on (ws:\S+)/);
  const socket = new WebSocket(`${url}/session`);
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = reject;
  });
  const waiting = new Map<number, (reply: Reply) => void>();
  socket.onmessage = ({ data }) => {
    const reply = JSON.parse(data) as Reply;
    waiting.get(reply.id)?.(reply);
    waiting.delete(reply.id);
  };
  let sent = 0;
  const send: Send = (method, params = {}) =>
    new Promise((resolve, reject) => {
      sent++;
      waiting.set(sent, ({ result, message }) =>
        message === undefined ? resolve(result) : reject(new Error(`${method}: ${message}`)),
      );
      socket.send(JSON.stringify({ id: sent, method, params }));
    });
  await send("session.new", { capabilities: {} });
  return {
    send,
    close: async () => {
      socket.close();
      await endProgram(firefox);
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Firefox with as many profiles and pages as a test opens. */
export async function launchFirefox(): Promise<TestBrowser> {
  const { send, close } = await startFirefox();
  return {
    newContext: async () => {
      const { userContext } = await send("browser.createUserContext");
      return {
        newPage: async () => {
          // A window, since a tab behind another one has slow timers.
          const options = { type: "window", userContext };
          const { context } = await send("browsingContext.create", options);
          return openPage(send, String(context));
        },
        close: async () => void (await send("browser.removeUserContext", { userContext })),
      };
    },
    close,
  };
}

function openPage(send: Send, context: string): TestPage {
  const evaluate = async <R, A>(call: (argument: A) => R, argument?: A): Promise<Awaited<R>> => {
    const { result, exceptionDetails } = await send("script.callFunction", {
      functionDeclaration: `async (text) => JSON.stringify({ value: await (${call})(JSON.parse(text)) })`,
      arguments: [{ type: "string", value: JSON.stringify(argument ?? null) }],
      target: { context },
      awaitPromise: true,
    });
    if (exceptionDetails !== undefined) {
      throw new Error(exceptionDetails.text);
    }
    return JSON.parse(result?.value ?? "{}").value;
  };
  /** Undefined where the page leaves for another document meanwhile, which can discard the response. */
  const attempt = <A>(holds: (argument: A) => boolean, argument: A) =>
    Promise.race([
      evaluate(holds, argument).catch(() => undefined),
      new Promise<undefined>((resolve) => setTimeout(resolve, 2_000)),
    ]);
  const until = <A>(holds: (argument: A) => boolean, argument: A) =>
    vi.waitFor(
      async () => {
        if (!(await attempt(holds, argument))) {
          throw new Error(`${holds} does not hold for ${JSON.stringify(argument)}`);
        }
      },
      { timeout: 60_000, interval: 20 },
    );
  return {
    evaluate: evaluate as TestPage["evaluate"],
    goto: (url) => send("browsingContext.navigate", { context, url, wait: "complete" }),
    reload: () => send("browsingContext.reload", { context, wait: "complete" }),
    addInitScript: (async (call: unknown, argument: unknown) => {
      const functionDeclaration = `() => { (${call})(${JSON.stringify(argument)}); }`;
      await send("script.addPreloadScript", { functionDeclaration, contexts: [context] });
    }) as never,
    getByRole: (_, { name }) => ({
      click: async () => {
        const find = (name: string) =>
          [...document.querySelectorAll("button")].some(({ textContent }) => textContent === name);
        await until(find, name);
        await attempt((name) => {
          const buttons = [...document.querySelectorAll("button")];
          buttons.find(({ textContent }) => textContent === name)?.click();
          return true;
        }, name);
      },
    }),
    waitForURL: (url) =>
      until(
        ([start = "", any]) =>
          document.readyState === "complete" &&
          (any === undefined ? location.href === start : location.href.startsWith(start)),
        url.split("**"),
      ),
    close: async () => void (await send("browsingContext.close", { context })),
  };
}
