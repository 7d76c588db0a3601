import "reflect-metadata";
import { strict as assert } from "node:assert";
import { NestFactory } from "@nestjs/core";
import { startSandbox } from "zitadel-user-grants/sandbox";
import { AccessService, ZitadelModule } from "./zitadel.module.js";

async function main(): Promise<void> {
  const sandbox = await startSandbox();
  const { baseUrl, token, orgId } = sandbox;
  const app = await NestFactory.createApplicationContext(
    ZitadelModule.forRoot({ baseUrl, token, orgId }),
    { logger: false },
  );
  const access = app.get(AccessService);
  const { grantId } = sandbox.addGrant();
  assert.equal(await access.remove(grantId), true);
  assert.equal(sandbox.grant(grantId), undefined);
  assert.equal(await access.remove(grantId), false);
  await app.close();
  await sandbox.close();
  console.log("ok");
}

void main();
