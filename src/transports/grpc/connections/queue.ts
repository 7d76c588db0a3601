interface Place<T> {
  item: T;
  previous: Place<T> | undefined;
  next: Place<T> | undefined;
}

/** First in, first out; an entry can be removed from the middle in constant time. */
export class Queue<T> {
  readonly #places = new Map<T, Place<T>>();
  #first: Place<T> | undefined;
  #last: Place<T> | undefined;

  get isEmpty(): boolean {
    return this.#first === undefined;
  }

  push(item: T): void {
    const place: Place<T> = { item, previous: this.#last, next: undefined };
    this.#places.set(item, place);
    if (this.#last === undefined) {
      this.#first = place;
    } else {
      this.#last.next = place;
    }
    this.#last = place;
  }

  shift(): T | undefined {
    const item = this.#first?.item;
    if (item !== undefined) {
      this.remove(item);
    }
    return item;
  }

  /** Removes all, in their order. */
  takeAll(): T[] {
    const items: T[] = [];
    for (let item = this.shift(); item !== undefined; item = this.shift()) {
      items.push(item);
    }
    return items;
  }

  remove(item: T): void {
    const place = this.#places.get(item);
    if (place === undefined) {
      return;
    }
    this.#places.delete(item);
    if (place.previous === undefined) {
      this.#first = place.next;
    } else {
      place.previous.next = place.next;
    }
    if (place.next === undefined) {
      this.#last = place.previous;
    } else {
      place.next.previous = place.previous;
    }
  }
}
