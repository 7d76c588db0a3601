import { commonFaults } from "./common-faults.ts";
import type { Fault } from "./fault.ts";
import { framedFaults } from "./framed-faults.ts";
import { http2Faults } from "./http2-faults.ts";
import { jsonFaults } from "./json-faults.ts";

export const faults: readonly Fault[] = [
  ...commonFaults,
  ...framedFaults,
  ...jsonFaults,
  ...http2Faults,
];
