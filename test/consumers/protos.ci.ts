import { readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { startHttpServer } from "../support/http-server.js";
import { root } from "../support/programs.js";
import { useProject } from "../support/project.js";

const page = readFileSync(join(root, "docs/protos.md"), "utf8");

/** The files that the page shows: the text before a block names one first, in backticks. */
const files = [...page.matchAll(/^`([\w./]+)`.*?\n\n```\w+\n(.*?)^```$/gms)].map(
  ([, name = "", content = ""]) => ({ name, content }),
);
const [, withTheirs = ""] = /In `buf\.gen\.yaml`:\n\n```yaml\n(.*?)^```$/ms.exec(page) ?? [];

describe("docs/protos.md", () => {
  const project = useProject(undefined, {
    "@bufbuild/buf": "~1.75.0",
    "@bufbuild/protobuf": "^2.17.0",
    "@bufbuild/protoc-gen-es": "^2.17.0",
    "@connectrpc/connect": "^2.3.0",
    "@zitadel/proto": "^1.3.1",
  });
  const write = async (name: string, content: string) => {
    await mkdir(dirname(join(project().folder, name)), { recursive: true });
    await writeFile(join(project().folder, name), content);
  };

  beforeAll(async () => {
    for (const { name, content } of files) {
      await write(name, content);
    }
  });

  it("shows four files", () => {
    expect(files.map(({ name }) => name)).toEqual([
      "proto/acme/v1/audit.proto",
      "buf.yaml",
      "buf.gen.yaml",
      "audit.js",
    ]);
  });

  it("lints, generates, and calls the service, with one copy of ZITADEL's descriptors", async () => {
    await project().run("buf", ["lint"]);
    await project().run("buf", ["generate"]);
    let seen: unknown;
    const { baseUrl } = await startHttpServer(({ method, url }, response, body) => {
      seen = [method, url, JSON.parse(body.toString())];
      response.setHeader("content-type", "application/json").end('{"id":"entry-1"}');
    });
    const env = { AUDIT_URL: baseUrl };
    expect(await project().run("node", ["audit.js"], { env })).toBe("entry-1\n");
    expect(seen).toEqual(["POST", "/audit", { request: { grantId: ["171727382938472938"] } }]);
    await write(
      "same.js",
      `import { BulkRemoveUserGrantRequestSchema } from "zitadel-user-grants";
       import { KeepRequestSchema } from "./gen/acme/v1/audit_pb.js";
       console.log(KeepRequestSchema.field.request.message === BulkRemoveUserGrantRequestSchema);`,
    );
    expect(await project().run("node", ["same.js"])).toBe("true\n");
  });

  it("describes what happens with ZITADEL's protos in the same workspace", async () => {
    await write("theirs/zitadel/object.proto", 'syntax = "proto3";\npackage zitadel.v1;\n');
    const config = files.find(({ name }) => name === "buf.yaml")?.content ?? "";
    await write("buf.yaml", config.replace("modules:\n", "modules:\n  - path: theirs\n"));
    await expect(project().run("buf", ["build"])).rejects.toThrow(
      "zitadel/object.proto is contained in multiple modules",
    );
    await write("buf.yaml", config);
    await rm(join(project().folder, "theirs"), { recursive: true });
  });

  it("takes the generated code of @zitadel/proto in place of ours", async () => {
    await write("buf.gen.yaml", withTheirs);
    await project().run("buf", ["generate"]);
    await write(
      "theirs.js",
      `import { BulkRemoveUserGrantRequestSchema } from "@zitadel/proto/zitadel/management_pb.js";
       import { KeepRequestSchema } from "./gen/acme/v1/audit_pb.js";
       console.log(KeepRequestSchema.field.request.message === BulkRemoveUserGrantRequestSchema);`,
    );
    expect(await project().run("node", ["theirs.js"])).toBe("true\n");
  });
});
