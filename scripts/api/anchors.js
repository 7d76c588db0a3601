import { MarkdownPageEvent } from "typedoc-plugin-markdown";

/**
 * Links to headings of the same page as GitHub numbers them: typedoc also counts a function's signature, which
 * has no heading, so that `signIn()` and `SignIn` would be `signin` and `signin-3`.
 *
 * @param {import("typedoc").Application} app
 */
export function load({ renderer }) {
  renderer.on(MarkdownPageEvent.END, (page) => {
    const headings = [...page.contents.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
      heading.toLowerCase().replace(/[^\w-]/g, ""),
    );
    page.contents = page.contents.replace(/\(#([a-z]+)-(\d+)\)/g, (link, name, number) => {
      const last = headings.filter((heading) => heading === name).length - 1;
      return number > last ? `(#${name}${last > 0 ? `-${last}` : ""})` : link;
    });
  });
}
