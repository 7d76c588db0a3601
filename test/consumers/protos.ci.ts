import { readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { root } from "../support/programs.js";
import { installProject, type Project } from "../support/project.js";

const page = readFileSync(join(root, "docs/protos.md"), "utf8");

/** The files that the page shows: the text before a block names one first, in backticks. */
const files = [...page.matchAll(/^`([\w./]+)`.*?\n\n```\w+\n(.*?)^```$/gms)].map(
  ([, name = "", content = ""]) => ({ name, content }),
);
const [, withTheirs = ""] = /In `buf\.gen\.yaml`:\n\n```yaml\n(.*?)^```$/ms.exec(page) ?? [];

describe("docs/protos.md", () => {
  let project: Project;
  const write = async (name: string, content: string) => {
    await mkdir(dirname(join(project.folder, name)), { recursive: true });
    await writeFile(join(project.folder, name), content);
  };

  beforeAll(async () => {
    project = await installProject(undefined, {
      "@bufbuild/buf": "~1.75.0",
      "@bufbuild/protobuf": "^2.17.0",
      "@bufbuild/protoc-gen-es": "^2.17.0",
      "@connectrpc/connect": "^2.3.0",
      "@zitadel/proto": "^1.3.1",
    });
    for (const { name, content } of files) {
      await write(name, content);
    }
  });
  afterAll(() => project?.remove());

  it("shows four files", () => {
    expect(files.map(({ name }) => name)).toEqual([
      "proto/acme/v1/audit.proto",
      "buf.yaml",
      "buf.gen.yaml",
      "audit.js",
    ]);
  });

  it("lints, generates, and calls the service, with one copy of ZITADEL's descriptors", async () => {
    await project.run("buf", ["lint"]);
    await project.run("buf", ["generate"]);
    let seen: unknown;
    const server = createServer(async (request, response) => {
      let body = "";
      for await (const chunk of request) {
        body += chunk;
      }
      seen = [request.method, request.url, JSON.parse(body)];
      response.setHeader("content-type", "application/json").end('{"id":"entry-1"}');
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    const env = { AUDIT_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
    expect(await project.run("node", ["audit.js"], { env })).toBe("entry-1\n");
    expect(seen).toEqual(["POST", "/audit", { request: { grantId: ["171727382938472938"] } }]);
    await write(
      "same.js",
      `import { BulkRemoveUserGrantRequestSchema } from "zitadel-user-grants";
       import { KeepRequestSchema } from "./gen/acme/v1/audit_pb.js";
       console.log(KeepRequestSchema.field.request.message === BulkRemoveUserGrantRequestSchema);`,
    );
    expect(await project.run("node", ["same.js"])).toBe("true\n");
  });

  it("describes what happens with ZITADEL's protos in the same workspace", async () => {
    await write("theirs/zitadel/object.proto", 'syntax = "proto3";\npackage zitadel.v1;\n');
    const config = files.find(({ name }) => name === "buf.yaml")?.content ?? "";
    await write("buf.yaml", config.replace("modules:\n", "modules:\n  - path: theirs\n"));
    await expect(project.run("buf", ["build"])).rejects.toThrow(
      "zitadel/object.proto is contained in multiple modules",
    );
    await write("buf.yaml", config);
    await rm(join(project.folder, "theirs"), { recursive: true });
  });

  it("takes the generated code of @zitadel/proto in place of ours", async () => {
    await write("buf.gen.yaml", withTheirs);
    await project.run("buf", ["generate"]);
    await write(
      "theirs.js",
      `import { BulkRemoveUserGrantRequestSchema } from "@zitadel/proto/zitadel/management_pb.js";
       import { KeepRequestSchema } from "./gen/acme/v1/audit_pb.js";
       console.log(KeepRequestSchema.field.request.message === BulkRemoveUserGrantRequestSchema);`,
    );
    expect(await project.run("node", ["theirs.js"])).toBe("true\n");
  });
});
