import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { launchChromium } from "./chromium.js";

/** As much of a browser as the suite needs: one page, and an expression whose promise is awaited there. */
export interface SimpleBrowser {
  goto(url: string): Promise<void>;
  /** What the expression's promise resolves to, a string. */
  evaluate(expression: string): Promise<string>;
  close(): Promise<void>;
}

export async function openChromium(): Promise<SimpleBrowser> {
  const browser = await launchChromium();
  const page = await browser.newPage();
  return {
    goto: async (url) => void (await page.goto(url)),
    evaluate: (expression) => page.evaluate(expression),
    close: () => browser.close(),
  };
}

export const firefoxBinary = "/usr/lib/firefox-esr/firefox-esr";

/** Debian's Firefox, through WebDriver BiDi: https://w3c.github.io/webdriver-bidi/. */
export async function openFirefox(): Promise<SimpleBrowser> {
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
  const waiting = new Map<number, (answer: BidiAnswer) => void>();
  socket.onmessage = ({ data }) => {
    const answer = JSON.parse(data) as BidiAnswer;
    waiting.get(answer.id)?.(answer);
  };
  let sent = 0;
  const send = (method: string, params: object = {}) =>
    new Promise<BidiAnswer["result"]>((resolve, reject) => {
      sent++;
      waiting.set(sent, ({ result, message }) =>
        message === undefined ? resolve(result) : reject(new Error(`${method}: ${message}`)),
      );
      socket.send(JSON.stringify({ id: sent, method, params }));
    });
  await send("session.new", { capabilities: {} });
  const { contexts } = await send("browsingContext.getTree");
  const context = contexts?.[0]?.context;
  return {
    goto: async (url) => {
      await send("browsingContext.navigate", { context, url, wait: "complete" });
    },
    evaluate: async (expression) => {
      const { result, exceptionDetails } = await send("script.evaluate", {
        expression,
        target: { context },
        awaitPromise: true,
      });
      if (exceptionDetails !== undefined) {
        throw new Error(exceptionDetails.text);
      }
      return result?.value ?? "";
    },
    close: async () => {
      socket.close();
      await end(firefox);
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

interface BidiAnswer {
  id: number;
  message?: string;
  result: {
    contexts?: { context: string }[];
    result?: { value: string };
    exceptionDetails?: { text: string };
  };
}

export const webKitDriver = "/usr/bin/WebKitWebDriver";

/** Debian's WebKitGTK in a virtual screen, through WebDriver: https://www.w3.org/TR/webdriver2/. */
export async function openWebKit(): Promise<SimpleBrowser> {
  const port = 20_000 + (process.pid % 10_000);
  const driver = spawn("xvfb-run", ["-a", webKitDriver, `--port=${port}`, "--host=127.0.0.1"], {
    stdio: "ignore",
    detached: true,
  });
  const send = async (method: string, path: string, body?: object) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const { value } = (await response.json()) as { value: Record<string, unknown> | string };
    if (!response.ok) {
      throw new Error(`${path}: ${JSON.stringify(value)}`);
    }
    return value;
  };
  const deadline = Date.now() + 20_000;
  while (!(await send("GET", "/status").catch(() => undefined)) && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const folder = `/usr/lib/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`;
  const options = { binary: `${folder}/webkit2gtk-4.1/MiniBrowser`, args: ["--automation"] };
  const session = await send("POST", "/session", {
    capabilities: { alwaysMatch: { "webkitgtk:browserOptions": options } },
  }).catch(async (error: unknown) => {
    await end(driver);
    throw error;
  });
  const { sessionId } = session as { sessionId: string };
  return {
    goto: async (url) => void (await send("POST", `/session/${sessionId}/url`, { url })),
    evaluate: async (expression) => {
      const script = `
        const done = arguments[arguments.length - 1];
        Promise.resolve(${expression}).then(
          (value) => done({ value }),
          (error) => done({ error: String(error) }),
        );`;
      const outcome = (await send("POST", `/session/${sessionId}/execute/async`, {
        script,
        args: [],
      })) as { value?: string; error?: string };
      if (outcome.error !== undefined) {
        throw new Error(outcome.error);
      }
      return outcome.value ?? "";
    },
    close: async () => {
      await send("DELETE", `/session/${sessionId}`).catch(() => {});
      await end(driver);
    },
  };
}

/** Waits until a program writes what matches to stderr, and returns the first group of it. */
function said(child: ChildProcess, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    child.stderr?.on("data", (chunk) => {
      text += chunk;
      const match = pattern.exec(text);
      if (match?.[1] !== undefined) {
        resolve(match[1]);
      }
    });
    child.on("error", reject);
    child.on("exit", (code) => reject(new Error(`ended with ${code}: ${text}`)));
  });
}

/** Ends a program that leads a process group, and all that it started. */
async function end(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once("exit", resolve));
  if (child.pid !== undefined && child.exitCode === null) {
    process.kill(-child.pid, "SIGKILL");
    await ended;
  }
}
