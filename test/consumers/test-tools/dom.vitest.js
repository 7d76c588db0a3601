import { it } from "vitest";
import { signInAndOut } from "./sign-in.js";

it("signs in, calls and signs out", signInAndOut);
