import "reflect-metadata";
import { NestFactory } from "@nestjs/core";
import { Access, AccessModule } from "./access.module.ts";

async function main(): Promise<void> {
  const app = await NestFactory.createApplicationContext(AccessModule, { logger: ["error"] });
  const access = app.get(Access);
  const grantId = process.env.GRANT_ID ?? "";
  console.log(await access.revoke(grantId), await access.revoke(grantId));
  await app.close();
}

void main();
