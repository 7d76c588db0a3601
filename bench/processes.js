import { execFileSync, fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Starts the server; its URLs, a certificate for clients to trust, and what ends it. */
export async function startServer() {
  const folder = mkdtempSync(join(tmpdir(), "bench-"));
  const key = join(folder, "key.pem");
  const cert = join(folder, "cert.pem");
  execFileSync(
    "openssl",
    `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout ${key} -out ${cert}`.split(
      " ",
    ),
    { stdio: "pipe" },
  );
  const child = fork(new URL("server.js", import.meta.url), [key, cert]);
  const ports = await nextMessage(child);
  return {
    urls: {
      cleartext: `http://localhost:${ports.cleartext}`,
      TLS: `https://localhost:${ports.tls}`,
    },
    cert,
    stop() {
      child.kill();
      rmSync(folder, { recursive: true });
    },
  };
}

/** A process that runs a module of this folder, trusting the certificate. */
export function start(module, args, cert, execArgv = []) {
  return fork(new URL(module, import.meta.url), args, {
    execArgv: ["--expose-gc", ...execArgv],
    env: {
      ...process.env,
      ...(cert && { NODE_EXTRA_CA_CERTS: cert, GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: cert }),
    },
  });
}

/** What the process says next. */
export function nextMessage(child) {
  return new Promise((resolve, reject) => {
    const onExit = (code) => reject(new Error(`${child.spawnargs.join(" ")} ended with ${code}`));
    child.once("exit", onExit);
    child.once("message", (message) => {
      child.off("exit", onExit);
      resolve(message);
    });
  });
}

export function ask(child, message) {
  child.send(message);
  return nextMessage(child);
}
