/** A JSON value of an input, and the line on which it begins. */
export interface JsonPiece {
  readonly number: number;
  readonly text: string;
}

/**
 * Parses JSON without holding it as a whole: the elements of an array, or consecutive values, each on any
 * number of lines.
 */
export async function* jsonPieces(chunks: AsyncIterable<string>): AsyncGenerator<JsonPiece> {
  const splitter = new JsonSplitter();
  for await (const chunk of chunks) {
    yield* splitter.add(chunk);
  }
  yield* splitter.end();
}

class JsonSplitter {
  #line = 1;
  #startLine = 1;
  /** The current value, as far as it was read. */
  #text = "";
  #depth = 0;
  #inArray = false;
  #inString = false;
  #escaped = false;

  *add(chunk: string): Generator<JsonPiece> {
    let from = 0;
    for (let at = 0; at < chunk.length; at++) {
      const character = chunk[at] ?? "";
      if (this.#inString) {
        if (this.#escaped) {
          this.#escaped = false;
        } else if (character === "\\") {
          this.#escaped = true;
        } else if (character === '"') {
          this.#inString = false;
        }
        this.#line += character === "\n" ? 1 : 0;
        continue;
      }
      const isOutside = this.#depth === 0;
      switch (character) {
        case '"':
          this.#inString = true;
          break;
        case "[":
        case "{":
          if (isOutside && character === "[" && !this.#inArray && this.#isEmpty(chunk, from, at)) {
            this.#inArray = true;
            from = at + 1;
          } else {
            this.#depth += 1;
          }
          break;
        case "]":
        case "}":
          if (isOutside) {
            // The end of the surrounding array; for anything else, the parser reports it.
            yield* this.#take(chunk.slice(from, at));
            this.#inArray = false;
            from = at + 1;
          } else {
            this.#depth -= 1;
            if (this.#depth === 0 && !this.#inArray) {
              yield* this.#take(chunk.slice(from, at + 1));
              from = at + 1;
            }
          }
          break;
        case ",":
          if (isOutside) {
            yield* this.#take(chunk.slice(from, at));
            from = at + 1;
          }
          break;
        case "\n":
          if (isOutside && !this.#inArray) {
            yield* this.#take(chunk.slice(from, at));
            from = at + 1;
          }
          break;
      }
      this.#line += character === "\n" ? 1 : 0;
    }
    this.#append(chunk.slice(from));
  }

  *end(): Generator<JsonPiece> {
    if (this.#inArray) {
      this.#append(" … the array is not closed");
    }
    yield* this.#take("");
  }

  #isEmpty(chunk: string, from: number, at: number): boolean {
    return (this.#text + chunk.slice(from, at)).trim() === "";
  }

  #append(text: string): void {
    const isFirst = this.#text === "";
    this.#text += isFirst ? text.trimStart() : text;
    if (isFirst && this.#text !== "") {
      this.#startLine = this.#line - (this.#text.match(/\n/g)?.length ?? 0);
    }
  }

  *#take(last: string): Generator<JsonPiece> {
    this.#append(last);
    const text = this.#text.trim();
    this.#text = "";
    if (text !== "") {
      yield { number: this.#startLine, text };
    }
  }
}
