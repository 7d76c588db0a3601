import type { DescMessage, DescMethodUnary } from "@bufbuild/protobuf";
import type { UnaryResponse } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import type { SendGate } from "../../common/send-gate.js";
import type { Deadline } from "../call/deadline.js";
import type { ConnectionPool } from "./connections/pool.js";
import type { HeaderList } from "./header-list.js";
import type { UnaryGrpcResponse } from "./unary-response.js";

/** State shared by the unary calls of a transport. */
export interface UnaryExchanges {
  readonly pool: ConnectionPool;
  readonly readMaxBytes: number;
  readonly acceptCompression: readonly Compression[];
  /** Handles a response whose status is OK. */
  finish<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    response: UnaryGrpcResponse,
    deadline: Deadline,
  ): MaybePromise<UnaryResponse<I, O>>;
}

/** One attempt of a call. */
export interface UnaryAttempt<I extends DescMessage, O extends DescMessage> {
  readonly shared: UnaryExchanges;
  readonly method: DescMethodUnary<I, O>;
  readonly deadline: Deadline;
  /** All except `grpc-timeout`. */
  readonly header: HeaderList;
  readonly body: Uint8Array;
  /** What it passes right before it is sent. */
  readonly gate: SendGate | undefined;
}

export type MaybePromise<T> = T | Promise<T>;
