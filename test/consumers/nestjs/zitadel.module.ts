// A CommonJS project, as Nest's own starter makes it: the import below becomes a require().
import {
  type DynamicModule,
  Inject,
  Injectable,
  Module,
  type OnModuleDestroy,
} from "@nestjs/common";
import {
  type ClientOptions,
  close,
  createManagementClient,
  isGrantNotFound,
  type ManagementClient,
} from "zitadel-user-grants";

export const managementClient = Symbol("ManagementClient");

/** Takes access away. Injects the client, so that a test can give it another. */
@Injectable()
export class AccessService implements OnModuleDestroy {
  constructor(@Inject(managementClient) private readonly client: ManagementClient) {}

  /** Returns whether there was anything to remove. */
  async remove(grantId: string): Promise<boolean> {
    try {
      await this.client.bulkRemoveUserGrant({ grantId: [grantId] });
      return true;
    } catch (error) {
      if (isGrantNotFound(error)) {
        return false;
      }
      throw error;
    }
  }

  onModuleDestroy(): void {
    close(this.client);
  }
}

@Module({})
// biome-ignore lint/complexity/noStaticOnlyClass: what Nest calls a dynamic module.
export class ZitadelModule {
  static forRoot(options: ClientOptions): DynamicModule {
    return {
      module: ZitadelModule,
      providers: [
        { provide: managementClient, useFactory: () => createManagementClient(options) },
        AccessService,
      ],
      exports: [AccessService],
    };
  }
}
