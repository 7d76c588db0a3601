// A CommonJS project, as Nest's own starter makes it: imports become require().
import "reflect-metadata";
import { NestFactory } from "@nestjs/core";
import { AccessModule } from "./access.module.js";

const { ZITADEL_URL, ZITADEL_TOKEN, ZITADEL_ORG_ID, PORT = "3000" } = process.env;

async function main(): Promise<void> {
  if (!ZITADEL_URL || !ZITADEL_TOKEN) {
    throw new Error("Set ZITADEL_URL and ZITADEL_TOKEN");
  }
  const app = await NestFactory.create(
    AccessModule.forRoot({
      baseUrl: ZITADEL_URL,
      token: ZITADEL_TOKEN,
      orgId: ZITADEL_ORG_ID || undefined,
    }),
    { logger: ["error", "warn"] },
  );
  app.enableShutdownHooks();
  await app.listen(Number(PORT), "127.0.0.1");
  console.log(`Listening at ${await app.getUrl()}`);
}

void main();
