import type { ConnectError } from "@connectrpc/connect";

/** Gives an error another message, also in its stack: it stays the same object, with all that it has. */
export function rewriteMessage<E extends ConnectError>(error: E, rawMessage: string): E {
  const { message, stack } = error;
  const prefix = message.slice(0, message.length - error.rawMessage.length);
  const rewritten = message.endsWith(error.rawMessage) ? prefix + rawMessage : rawMessage;
  // They are there and writable, whatever their types say, and stay as visible as they are.
  return Object.assign(error, {
    rawMessage,
    message: rewritten,
    stack: stack?.replace(message, () => rewritten),
  });
}
