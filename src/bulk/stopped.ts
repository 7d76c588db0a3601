/** Thrown through the work of a run that has been stopped, so that it ends where it is. */
export class Stopped extends Error {
  override readonly name = "Stopped";
}

/** Thrown by a client in place of sending a request: the run ends with its cause. */
export class NotSent extends Error {
  override readonly name = "NotSent";

  constructor(cause: unknown) {
    super("the request was not sent", { cause });
  }
}
