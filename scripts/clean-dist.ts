// In place of `rm -rf dist`, which Windows does not have.
import { rmSync } from "node:fs";

rmSync(new URL("../dist", import.meta.url), { recursive: true, force: true });
