import { openChromium } from "../support/browsers.js";
import { describeBrowser } from "./suite-site.js";

describeBrowser("Chromium", openChromium);
