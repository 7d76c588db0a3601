import { launchChromium } from "../support/chromium.js";
import { describeSignIn } from "./sign-in-suite.js";

describeSignIn("Chromium", launchChromium);
