import { it } from "node:test";
import { offboard } from "./offboarding-test.js";

it("offboards", offboard);
