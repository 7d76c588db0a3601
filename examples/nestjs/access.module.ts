import { type DynamicModule, Module } from "@nestjs/common";
import { type ClientOptions, createManagementClient } from "zitadel-user-grants";
import { AccessController } from "./access.controller.js";
import { AccessService, managementClient } from "./access.service.js";

@Module({})
// biome-ignore lint/complexity/noStaticOnlyClass: this is what Nest calls a dynamic module.
export class AccessModule {
  static forRoot(options: ClientOptions): DynamicModule {
    return {
      module: AccessModule,
      controllers: [AccessController],
      providers: [
        { provide: managementClient, useFactory: () => createManagementClient(options) },
        AccessService,
      ],
      exports: [AccessService],
    };
  }
}
