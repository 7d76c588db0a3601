// Serves the page with a sandbox that has a few people in it: npm run dev
import { fileURLToPath } from "node:url";
import { createServer } from "vite";
import { startSandbox } from "zitadel-user-grants/sandbox";

const origin = "http://localhost:5173";
const sandbox = await startSandbox();
const portal = sandbox.addProject({ name: "Customer portal", roleKeys: ["viewer", "editor"] });
const billing = sandbox.addProject({ name: "Billing", roleKeys: ["accountant"] });
for (const [firstName, lastName, projectId, roleKeys] of [
  ["Ada", "Lovelace", portal, ["editor"]],
  ["Grace", "Hopper", portal, ["viewer", "editor"]],
  ["Alan", "Turing", billing, ["accountant"]],
] as const) {
  const { userId } = sandbox.addUser({ firstName, lastName });
  sandbox.addGrant({ userId, ...projectId, roleKeys: [...roleKeys] });
}
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
console.log(`Open ${origin} and sign in.`);
