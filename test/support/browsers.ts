import { spawn } from "node:child_process";
import { endProgram } from "./browser-program.js";
import { launchChromium } from "./chromium.js";
import { startFirefox } from "./firefox.js";

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

/** Debian's Firefox, as it starts. */
export async function openFirefox(): Promise<SimpleBrowser> {
  const { send, close } = await startFirefox();
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
    close,
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
    await endProgram(driver);
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
      await endProgram(driver);
    },
  };
}
