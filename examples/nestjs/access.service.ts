import { Inject, Injectable, type OnModuleDestroy } from "@nestjs/common";
import { close, isGrantNotFound, type ManagementClient } from "zitadel-user-grants";

export const managementClient = Symbol("ManagementClient");

/** Revokes access. The client is injected, so a test can provide one over `createSandbox`. */
@Injectable()
export class AccessService implements OnModuleDestroy {
  constructor(@Inject(managementClient) private readonly client: ManagementClient) {}

  /** Removes a grant. Returns false if there is no such grant in the organization. */
  async revoke(grantId: string): Promise<boolean> {
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
