import {
  BadGatewayException,
  Controller,
  Delete,
  HttpCode,
  Inject,
  NotFoundException,
  Param,
} from "@nestjs/common";
import { describeError } from "zitadel-user-grants";
import { AccessService } from "./access.service.js";

/** Put your own guard in front: whoever reaches this route revokes access. */
@Controller("grants")
export class AccessController {
  constructor(@Inject(AccessService) private readonly access: AccessService) {}

  @Delete(":grantId")
  @HttpCode(204)
  async revoke(@Param("grantId") grantId: string): Promise<void> {
    let revoked: boolean;
    try {
      revoked = await this.access.revoke(grantId);
    } catch (error) {
      const { id, message, requestId } = describeError(error);
      throw new BadGatewayException({ id, message, requestId });
    }
    if (!revoked) {
      throw new NotFoundException({ message: `no grant ${grantId} in this organization` });
    }
  }
}
