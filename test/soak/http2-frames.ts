// Follows the frames of an HTTP/2 connection as its bytes pass, so that frames can be put between them and
// taken out: RFC 9113, section 4.1.
import { Transform, type TransformCallback } from "node:stream";

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const headerBytes = 9;
const settingsType = 4;
const ackFlag = 1;
const maxConcurrentStreams = 3;

/** A SETTINGS frame that limits how many streams the client may open at once. */
function streamLimitFrame(limit: number): Buffer {
  const frame = Buffer.alloc(headerBytes + 6);
  frame.writeUIntBE(6, 0, 3);
  frame.writeUInt8(settingsType, 3);
  frame.writeUInt16BE(maxConcurrentStreams, headerBytes);
  frame.writeUInt32BE(limit, headerBytes + 2);
  return frame;
}

/** Passes bytes on, frame by frame once it is known that they are frames. */
class Frames extends Transform {
  #rest = Buffer.alloc(0);
  readonly #take: (frame: Buffer) => boolean;

  /** @param take called for each frame; false leaves it out. */
  constructor(take: (frame: Buffer) => boolean = () => true) {
    super();
    this.#take = take;
  }

  /** Whether no frame is under way. */
  get isBetweenFrames(): boolean {
    return this.#rest.length === 0;
  }

  override _transform(chunk: Buffer, _encoding: string, callback: TransformCallback): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= headerBytes) {
      const length = headerBytes + this.#rest.readUIntBE(0, 3);
      if (this.#rest.length < length) {
        break;
      }
      const frame = this.#rest.subarray(0, length);
      this.#rest = this.#rest.subarray(length);
      if (this.#take(frame)) {
        this.push(frame);
      }
    }
    callback();
  }

  override _flush(callback: TransformCallback): void {
    callback(null, this.#rest);
  }
}

/** The two directions of one connection, in which the server's limit of streams can be changed. */
export class StreamLimiter {
  /** Acknowledgements of settings that the server did not send: it must not see them. */
  #strayAcks = 0;
  /** Settings of the server's own that the client has yet to acknowledge come first. */
  readonly toServer = new Frames((frame) => {
    const isAck = frame[3] === settingsType && ((frame[4] ?? 0) & ackFlag) !== 0;
    if (isAck && this.#ownAcks > 0) {
      this.#ownAcks -= 1;
      return true;
    }
    if (isAck && this.#strayAcks > 0) {
      this.#strayAcks -= 1;
      return false;
    }
    return true;
  });
  readonly toClient = new Frames((frame) => {
    if (frame[3] === settingsType && ((frame[4] ?? 0) & ackFlag) === 0) {
      this.#ownAcks += 1;
    }
    return true;
  });
  #ownAcks = 0;

  get isEnded(): boolean {
    return this.toClient.destroyed;
  }

  end(): void {
    this.toClient.destroy();
    this.toServer.destroy();
  }

  /** Tells the client a limit, unless a frame is under way. Returns whether it did. */
  limit(streams: number): boolean {
    // Before the server's own settings are acknowledged, it could not be told whose is whose.
    if (!this.toClient.isBetweenFrames || this.#ownAcks > 0) {
      return false;
    }
    this.#strayAcks += 1;
    this.toClient.push(streamLimitFrame(streams));
    return true;
  }
}

/** Whether a connection that begins with these bytes is HTTP/2; undefined when there are too few. */
export function isHttp2(start: Buffer): boolean | undefined {
  const length = Math.min(start.length, preface.length);
  if (!start.subarray(0, length).equals(preface.subarray(0, length))) {
    return false;
  }
  return start.length < preface.length ? undefined : true;
}

/** How long the connection preface is, which precedes the client's first frame. */
export const prefaceBytes = preface.length;
