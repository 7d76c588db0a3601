/** Lets work wait until something has changed, and look again. */
export class Notifier {
  #waiting: (() => void)[] = [];

  wait(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  notify(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resume of waiting) {
      resume();
    }
  }
}
