// Serves the page with a sandbox: npm run dev
import { fileURLToPath } from "node:url";
import { createServer } from "vite";
import { startSandbox } from "zitadel-user-grants/sandbox";

const origin = "http://localhost:5173";
const sandbox = await startSandbox();
process.env.VITE_ISSUER = sandbox.baseUrl;
process.env.VITE_CLIENT_ID = sandbox.addApp({
  redirectUris: [`${origin}/`],
  postLogoutRedirectUris: [`${origin}/`],
}).clientId;

const server = await createServer({
  root: fileURLToPath(new URL(".", import.meta.url)),
  server: { port: 5173, strictPort: true },
});
await server.listen();

const { userId, grantId } = sandbox.addGrant();
console.log(`Open ${origin}, sign in, and deactivate grant ${grantId} of user ${userId}.`);
