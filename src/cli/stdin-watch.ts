import type { Io } from "./io.js";

/**
 * Reads standard input while something else is awaited: unread data was meant for this command. Not for
 * terminals, on which a question is asked.
 */
export function watchStdin({ stdin }: Io): { readonly text: string; readonly end: () => void } {
  let text = "";
  const take = (chunk: unknown) => {
    text = (text + String(chunk)).slice(0, 1000);
  };
  const ignore = () => undefined;
  if (!stdin.isTTY) {
    stdin.on("data", take);
    stdin.on("error", ignore);
  }
  return {
    get text() {
      return text;
    },
    end() {
      if (!stdin.isTTY) {
        stdin.off("data", take);
        stdin.pause();
      }
    },
  };
}
