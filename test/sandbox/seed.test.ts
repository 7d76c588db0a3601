import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ajv } from "ajv";
import { describe, expect, it, onTestFinished } from "vitest";
import { createSandbox, type SandboxSeed } from "../../src/sandbox/index.js";
import { roleNames } from "../../src/sandbox/model/entities.js";

const seed: SandboxSeed = {
  $schema: "https://example.com/schema.json",
  orgs: [{ orgId: "partner", name: "Partner" }],
  projects: [{ projectId: "billing", name: "Billing", roleKeys: ["reader", "writer"] }],
  users: [
    { userId: "jane", name: "Jane Doe", email: "jane@example.com", loginName: "jane" },
    { userId: "ci", type: "machine", token: "ci-token", roles: ["ORG_OWNER"] },
    { userId: "lead", roles: [{ role: "PROJECT_OWNER", projectId: "billing" }] },
  ],
  grants: [
    { grantId: "g1", userId: "jane", projectId: "billing", roleKeys: ["reader"] },
    { grantId: "g2", orgId: "partner", projectId: "billing", state: "inactive" },
  ],
};

const schemaUrl = new URL("../../schema/sandbox-seed.json", import.meta.url);
const schema = JSON.parse(readFileSync(schemaUrl, "utf8"));
const isValid = new Ajv({ strict: false }).compile(schema);

describe("a seed", () => {
  it("exists from the start", () => {
    const sandbox = createSandbox({ seed, orgId: "home" });
    expect(sandbox.grant("g1")).toEqual({
      userId: "jane",
      orgId: "home",
      projectId: "billing",
      roleKeys: ["reader"],
      state: "active",
    });
    expect(sandbox.grant("g2")).toMatchObject({ orgId: "partner", state: "inactive" });
  });

  it("can be a file", () => {
    const folder = mkdtempSync(join(tmpdir(), "seed-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const path = join(folder, "seed.json");
    writeFileSync(path, JSON.stringify(seed));
    expect(createSandbox({ seed: path }).grant("g1")?.userId).toBe("jane");
    writeFileSync(path, "{");
    expect(() => createSandbox({ seed: path })).toThrow(`${path} is not JSON`);
    expect(() => createSandbox({ seed: join(folder, "none.json") })).toThrow(/ENOENT/);
  });

  it.each([
    [{ grant: [] }, "did you mean grants?"],
    [{ grants: {} }, "seed.grants must be an array; got an object"],
    [{ grants: ["g"] }, 'seed.grants[0] must be an object; got "g"'],
    [{ grants: [{}, { state: "gone" }] }, 'seed.grants[1].state must be "active" or "inactive"'],
    [{ grants: [{ roleKeys: [""] }] }, "seed.grants[0].roleKeys must be"],
    [{ users: [{ mail: "a" }] }, "did you mean email?"],
    [{ users: [{ userId: 5 }] }, "seed.users[0].userId must be a string that is not empty; got 5"],
    [{ users: [{ roles: ["OWNER"] }] }, "manager roles"],
    [{ users: [{ roles: [{ role: "ORG_OWNER", org: "1" }] }] }, "manager roles"],
    [{ users: [{ token: "a b" }] }, "seed.users[0].token must be printable ASCII"],
    [{ projects: [{ name: "" }] }, "seed.projects[0].name must be"],
    [{ orgs: [null] }, "seed.orgs[0] must be an object"],
  ])("%j is rejected, by the JSON Schema too", (wrong, message) => {
    expect(() => createSandbox({ seed: wrong as never })).toThrow(message);
    expect(isValid(wrong)).toBe(false);
  });

  it("that is valid is valid by the JSON Schema, too", () => {
    expect([isValid(seed), isValid.errors]).toEqual([true, null]);
    expect(schema.definitions.role.enum).toEqual(roleNames);
    const known = (kind: "orgs" | "projects" | "users" | "grants") =>
      Object.keys(schema.properties[kind].items.properties);
    for (const kind of ["orgs", "projects", "users", "grants"] as const) {
      for (const name of known(kind)) {
        // Any of them that the sandbox did not know would be named in another way.
        expect(() =>
          createSandbox({ seed: { [kind]: [{ [name]: Symbol.iterator }] } as never }),
        ).toThrow(`seed.${kind}[0].${name} must be`);
      }
    }
  });

  it("reports the position of an unresolved reference", () => {
    const grants = [{ projectId: "none" }];
    expect(() => createSandbox({ seed: { grants } })).toThrow(
      'seed.grants[0]: The sandbox has no project "none"',
    );
  });
});
