/**
 * @jest-environment ./jest-dom.js
 * @jest-environment-options {"url": "http://localhost:3000/"}
 */
import { it } from "@jest/globals";
import { signInAndOut } from "./sign-in.js";

it("signs in, calls and signs out", signInAndOut);
