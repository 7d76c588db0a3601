import { describeFuzz } from "./suite.js";

describeFuzz(500, () => undefined);
