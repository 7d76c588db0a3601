import { existsSync } from "node:fs";
import { it } from "vitest";
import { openFirefox, openWebKit, webKitDriver } from "../support/browsers.js";
import { firefoxBinary } from "../support/firefox.js";
import { describeBrowser } from "./suite-site.js";

for (const { name, needs, packages, open } of [
  { name: "Firefox", needs: firefoxBinary, packages: "firefox-esr", open: openFirefox },
  { name: "WebKit", needs: webKitDriver, packages: "webkit2gtk-driver xvfb", open: openWebKit },
]) {
  if (existsSync(needs)) {
    describeBrowser(name, open);
  } else {
    it.skip(`${name} is not here: apt-get install ${packages}`, () => {});
  }
}
