import { constants } from "node:http2";
import { Code } from "@connectrpc/connect";

/**
 * The status of a call whose stream was reset with an HTTP/2 error code before a status came.
 *
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#errors
 */
export function codeFromReset(rstCode: number): Code {
  switch (rstCode) {
    case constants.NGHTTP2_NO_ERROR:
    case constants.NGHTTP2_PROTOCOL_ERROR:
    case constants.NGHTTP2_INTERNAL_ERROR:
    case constants.NGHTTP2_FLOW_CONTROL_ERROR:
    case constants.NGHTTP2_SETTINGS_TIMEOUT:
    case constants.NGHTTP2_FRAME_SIZE_ERROR:
    case constants.NGHTTP2_COMPRESSION_ERROR:
    case constants.NGHTTP2_CONNECT_ERROR:
      return Code.Internal;
    case constants.NGHTTP2_REFUSED_STREAM:
      return Code.Unavailable;
    case constants.NGHTTP2_CANCEL:
      return Code.Canceled;
    case constants.NGHTTP2_ENHANCE_YOUR_CALM:
      return Code.ResourceExhausted;
    case constants.NGHTTP2_INADEQUATE_SECURITY:
    case constants.NGHTTP2_HTTP_1_1_REQUIRED:
      return Code.PermissionDenied;
    default:
      return Code.Unknown;
  }
}

/** `CANCEL (0x8)`: how a log or a packet capture of the other side calls it. */
export function resetName(rstCode: number): string {
  return `${names.get(rstCode) ?? "unknown"} (0x${rstCode.toString(16)})`;
}

const names = new Map(
  (
    [
      "NO_ERROR",
      "PROTOCOL_ERROR",
      "INTERNAL_ERROR",
      "FLOW_CONTROL_ERROR",
      "SETTINGS_TIMEOUT",
      "STREAM_CLOSED",
      "FRAME_SIZE_ERROR",
      "REFUSED_STREAM",
      "CANCEL",
      "COMPRESSION_ERROR",
      "CONNECT_ERROR",
      "ENHANCE_YOUR_CALM",
      "INADEQUATE_SECURITY",
      "HTTP_1_1_REQUIRED",
    ] as const
  ).map((name) => [constants[`NGHTTP2_${name}`], name]),
);
