/** Thrown through the work of a run that has been stopped, so that it ends where it is. */
export class Stopped extends Error {
  override readonly name = "Stopped";
}
