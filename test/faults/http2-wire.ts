import type { Socket } from "node:net";
import { contentTypes, type Exchange, type Fields, type WireOptions } from "./exchange.ts";

/** RFC 9113, section 6. */
export const frameType = {
  data: 0,
  headers: 1,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;
const endStream = 1;
const ack = 1;
const endHeaders = 4;
const prefaceBytes = 24;
const maxFrameBytes = 16_384;

/** HTTP/2 on a connection, in cleartext and frame by frame: Node's own server knows too many rules. */
export function serveHttp2(
  socket: Socket,
  connection: number,
  options: WireOptions,
  countRequest: () => number,
): void {
  const { settings = () => new Uint8Array() } = options;
  const ownSettings = settings(connection);
  const write = (type: number, flags: number, streamId: number, payload: Uint8Array) => {
    if (!socket.destroyed) {
      socket.write(encodeFrame(type, flags, streamId, payload));
    }
  };
  const endings = new Map<number, () => void>();
  const bodies = createSender((streamId, flags, payload) =>
    write(frameType.data, flags, streamId, payload),
  );
  const onFrame = (type: number, flags: number, streamId: number, payload: Buffer) => {
    if (type === frameType.data && payload.length > 0) {
      write(frameType.windowUpdate, 0, 0, uint32(payload.length));
    }
    if (type === frameType.settings && (flags & ack) === 0) {
      bodies.onSettings(payload);
      write(frameType.settings, ack, 0, new Uint8Array());
    } else if (type === frameType.ping && (flags & ack) === 0 && options.pong !== false) {
      write(frameType.ping, ack, 0, payload);
    } else if (type === frameType.windowUpdate) {
      bodies.onWindow(streamId, payload.readUInt32BE(0));
    } else if (type === frameType.rstStream) {
      bodies.forget(streamId);
      endings.get(streamId)?.();
    } else if (
      (type === frameType.headers || type === frameType.data) &&
      (flags & endStream) !== 0
    ) {
      const over = Promise.withResolvers<void>();
      endings.set(streamId, over.resolve);
      socket.once("close", over.resolve);
      void over.promise.then(() => {
        endings.delete(streamId);
        socket.off("close", over.resolve);
      });
      options.respond(createExchange(countRequest(), socket, streamId, over, write, bodies.send));
    }
  };
  let received = Buffer.alloc(0);
  let skipped = false;
  socket.on("data", (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    if (!skipped && received.length >= prefaceBytes) {
      skipped = true;
      received = received.subarray(prefaceBytes);
      if (ownSettings !== undefined) {
        write(frameType.settings, 0, 0, ownSettings);
      }
    }
    while (skipped && received.length >= 9) {
      const length = received.readUIntBE(0, 3);
      if (received.length < 9 + length) {
        break;
      }
      const payload = received.subarray(9, 9 + length);
      const [type = 0, flags = 0] = received.subarray(3, 5);
      const streamId = received.readUInt32BE(5);
      received = received.subarray(9 + length);
      onFrame(type, flags, streamId, payload);
    }
  });
}

function createExchange(
  number: number,
  socket: Socket,
  streamId: number,
  over: PromiseWithResolvers<void>,
  write: (type: number, flags: number, streamId: number, payload: Uint8Array) => void,
  send: (streamId: number, bytes: Uint8Array, onSent?: () => void) => void,
): Exchange {
  const headers = (fields: Fields, flags: number) => {
    const block = encodeHeaders(fields);
    for (let at = 0; at === 0 || at < block.length; at += maxFrameBytes) {
      const last = at + maxFrameBytes >= block.length;
      const type = at === 0 ? frameType.headers : frameType.continuation;
      const own = (at === 0 ? flags : 0) | (last ? endHeaders : 0);
      write(type, own, streamId, block.subarray(at, at + maxFrameBytes));
    }
  };
  return {
    protocol: "grpc",
    number,
    path: "",
    socket,
    streamId,
    over: over.promise,
    info: (status, fields = {}) => headers({ ":status": String(status), ...fields }, 0),
    head: (fields = {}, status = 200) =>
      headers({ ":status": String(status), "content-type": contentTypes.grpc, ...fields }, 0),
    body: (bytes) => send(streamId, Buffer.from(bytes)),
    end(trailers) {
      send(streamId, new Uint8Array(), () => {
        if (trailers === undefined) {
          write(frameType.data, endStream, streamId, new Uint8Array());
        } else {
          headers(trailers, endStream);
        }
        over.resolve();
      });
    },
    frame(type, flags, payload = new Uint8Array(), id = streamId) {
      write(type, flags, id, payload);
      if (type === frameType.rstStream) {
        over.resolve();
      }
    },
  };
}

/** Sends bodies as far as the client's flow control allows (RFC 9113, section 5.2). */
function createSender(write: (streamId: number, flags: number, payload: Uint8Array) => void) {
  let initialWindow = 65_535;
  let connectionWindow = 65_535;
  const windows = new Map<number, number>();
  let waiting: { streamId: number; bytes: Uint8Array; onSent: () => void }[] = [];
  const flush = () => {
    for (;;) {
      const [first] = waiting;
      if (first === undefined) {
        return;
      }
      const { streamId, bytes } = first;
      const window = windows.get(streamId) ?? initialWindow;
      const room = Math.max(0, Math.min(window, connectionWindow, maxFrameBytes));
      if (bytes.length > 0) {
        if (room === 0) {
          return;
        }
        write(streamId, 0, bytes.subarray(0, room));
        const sent = Math.min(room, bytes.length);
        windows.set(streamId, window - sent);
        connectionWindow -= sent;
        first.bytes = bytes.subarray(sent);
      }
      if (first.bytes.length === 0) {
        waiting.shift();
        first.onSent();
      }
    }
  };
  return {
    send(streamId: number, bytes: Uint8Array, onSent: () => void = () => undefined) {
      waiting.push({ streamId, bytes, onSent });
      flush();
    },
    forget(streamId: number) {
      waiting = waiting.filter((one) => one.streamId !== streamId);
      flush();
    },
    onWindow(streamId: number, by: number) {
      if (streamId === 0) {
        connectionWindow += by;
      } else {
        windows.set(streamId, (windows.get(streamId) ?? initialWindow) + by);
      }
      flush();
    },
    onSettings(payload: Buffer) {
      for (let at = 0; at + 6 <= payload.length; at += 6) {
        if (payload.readUInt16BE(at) === 4) {
          initialWindow = payload.readUInt32BE(at + 2);
        }
      }
    },
  };
}

export function encodeFrame(
  type: number,
  flags: number,
  streamId: number,
  payload: Uint8Array,
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

/** HPACK with literals alone (RFC 7541, section 6.2.2): nothing is remembered, nothing is checked. */
export function encodeHeaders(fields: Fields): Buffer {
  const parts: Buffer[] = [];
  for (const [name, value] of Object.entries(fields)) {
    for (const one of [value].flat()) {
      parts.push(Buffer.of(0), encodeString(name), encodeString(one));
    }
  }
  return Buffer.concat(parts);
}

function encodeString(text: string): Buffer {
  const bytes = Buffer.from(text, "latin1");
  const length: number[] = [];
  if (bytes.length < 127) {
    length.push(bytes.length);
  } else {
    length.push(127);
    let rest = bytes.length - 127;
    for (; rest >= 128; rest >>>= 7) {
      length.push((rest & 127) | 128);
    }
    length.push(rest);
  }
  return Buffer.concat([Buffer.from(length), bytes]);
}

/** The payload of a GOAWAY. */
export function goaway(lastStreamId: number, code: number, debug = ""): Buffer {
  const payload = Buffer.alloc(8);
  payload.writeUInt32BE(lastStreamId, 0);
  payload.writeUInt32BE(code, 4);
  return Buffer.concat([payload, Buffer.from(debug)]);
}

export function uint32(value: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(value);
  return payload;
}
