import { Code } from "@connectrpc/connect";

/**
 * The error codes of HTTP/2: https://www.rfc-editor.org/rfc/rfc9113#section-7. Not those of node:http2,
 * which is not loaded before there is a connection.
 */
export const ResetCode = {
  NO_ERROR: 0x0,
  PROTOCOL_ERROR: 0x1,
  INTERNAL_ERROR: 0x2,
  FLOW_CONTROL_ERROR: 0x3,
  SETTINGS_TIMEOUT: 0x4,
  STREAM_CLOSED: 0x5,
  FRAME_SIZE_ERROR: 0x6,
  REFUSED_STREAM: 0x7,
  CANCEL: 0x8,
  COMPRESSION_ERROR: 0x9,
  CONNECT_ERROR: 0xa,
  ENHANCE_YOUR_CALM: 0xb,
  INADEQUATE_SECURITY: 0xc,
  HTTP_1_1_REQUIRED: 0xd,
} as const;

/**
 * The status of a call whose stream was reset with an HTTP/2 error code before a status came.
 *
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#errors
 */
export function codeFromReset(rstCode: number): Code {
  switch (rstCode) {
    case ResetCode.NO_ERROR:
    case ResetCode.PROTOCOL_ERROR:
    case ResetCode.INTERNAL_ERROR:
    case ResetCode.FLOW_CONTROL_ERROR:
    case ResetCode.SETTINGS_TIMEOUT:
    case ResetCode.FRAME_SIZE_ERROR:
    case ResetCode.COMPRESSION_ERROR:
    case ResetCode.CONNECT_ERROR:
      return Code.Internal;
    case ResetCode.REFUSED_STREAM:
      return Code.Unavailable;
    case ResetCode.CANCEL:
      return Code.Canceled;
    case ResetCode.ENHANCE_YOUR_CALM:
      return Code.ResourceExhausted;
    case ResetCode.INADEQUATE_SECURITY:
    case ResetCode.HTTP_1_1_REQUIRED:
      return Code.PermissionDenied;
    default:
      return Code.Unknown;
  }
}

/** `CANCEL (0x8)`: as shown in a log or a packet capture of the other side. */
export function resetName(rstCode: number): string {
  const [name = "unknown"] = Object.entries(ResetCode).find(([, code]) => code === rstCode) ?? [];
  return `${name} (0x${rstCode.toString(16)})`;
}
