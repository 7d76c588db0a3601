import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { ConnectError } from "@connectrpc/connect";
import { describe, expect, it, onTestFinished } from "vitest";
import { clientCredentials } from "../../src/auth/index.js";
import { createFetch } from "../../src/grpc.js";
import { encodings, expectNoSecret, shown } from "./shown.js";

const clientSecret = "Qx7-pLw9.Zt3_Vb6/Rk1+Nd8=ü";

const fetches = { "the platform's fetch": undefined, createFetch: createFetch() };

/** Where an authorization server repeats the secret of a client. */
const places: Record<string, (echo: string) => { status: number; type: string; body: string }> = {
  "the description of an error": (echo) => ({
    status: 400,
    type: "application/json",
    body: JSON.stringify({ error: "invalid_request", error_description: echo }),
  }),
  "the error itself": (echo) => ({
    status: 400,
    type: "application/json",
    body: JSON.stringify({ error: echo }),
  }),
  "a page": (echo) => ({ status: 403, type: "text/html", body: `<p>${echo}</p>` }),
  "a token response that is none": (echo) => ({
    status: 200,
    type: "application/json",
    body: JSON.stringify({ access_token: `${echo}\n`, token_type: echo }),
  }),
};

describe.each(Object.entries(fetches))("with %s", (_, fetch) => {
  describe.each(Object.entries(places))("a client secret that comes back in %s", (_, answer) => {
    it.each(Object.entries(encodings))("shows nowhere: %s", async (_, encode) => {
      const server = createServer((request, response) => {
        const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
        if (request.method === "GET") {
          response.setHeader("content-type", "application/json");
          response.end(JSON.stringify({ issuer: origin, token_endpoint: `${origin}/token` }));
          return;
        }
        const echo = (text: string) => encode(text.replace("ü", ""));
        const sent = String(request.headers.authorization).slice("Basic ".length);
        const { status, type, body } = answer(`${echo(clientSecret)} ${sent} ${echo(sent)}`);
        response.writeHead(status, { "content-type": type }).end(body);
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      onTestFinished(() => {
        server.closeAllConnections();
        server.close();
      });
      const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const source = clientCredentials({ issuer, clientId: "admin", clientSecret, fetch });
      const error = await Promise.resolve(source()).catch((reason) => reason);
      expect(error).toBeInstanceOf(ConnectError);
      expectNoSecret(shown(error), clientSecret.replace("ü", ""));
    });
  });
});
