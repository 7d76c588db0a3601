import { existsSync } from "node:fs";
import { it } from "vitest";
import { firefoxBinary, launchFirefox } from "../support/firefox.js";
import { describeSignIn } from "./sign-in-suite.js";

if (existsSync(firefoxBinary)) {
  describeSignIn("Firefox", launchFirefox);
} else {
  it.skip("Firefox is not installed: apt-get install firefox-esr", () => {});
}
