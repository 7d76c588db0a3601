import { it } from "@jest/globals";
import { offboard } from "./offboarding-test.js";

it("offboards", offboard);
