import {
  createFileRegistry,
  createRegistry,
  type DescService,
  fromJson,
  type JsonObject,
} from "@bufbuild/protobuf";
import {
  FileDescriptorProtoSchema,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
} from "@bufbuild/protobuf/wkt";
import { file_google_api_annotations, http } from "../../gen/google/api/annotations_pb.js";

/** An annotation of `google.api.http` as JSON, and whether the method streams its responses. */
export type MethodSpec = {
  get?: string;
  put?: string;
  post?: string;
  delete?: string;
  patch?: string;
  custom?: { kind: string; path: string };
  body?: string;
  responseBody?: string;
  additionalBindings?: MethodSpec[];
  streaming?: boolean;
};

/** Fields of a message by name: a scalar, `State`, `Nested` or a well-known type, perhaps repeated or optional. */
type FieldSpecs = Record<string, string>;

const dependencies = [
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
];

/** A service with one method for each spec; all take the same request, and respond with it. */
export function buildService(fields: FieldSpecs, methods: readonly MethodSpec[]): DescService {
  const labels = messageOf("LabelsEntry", { key: "string", value: "string" });
  const file = fromJson(
    FileDescriptorProtoSchema,
    {
      name: "test.proto",
      package: "test.v1",
      syntax: "proto3",
      dependency: ["google/api/annotations.proto", ...dependencies.map(({ proto }) => proto.name)],
      messageType: [
        {
          ...messageOf("Request", fields),
          nestedType: [{ ...labels, options: { mapEntry: true } }],
        },
        messageOf("Nested", { id: "string", inner: "Inner" }),
        messageOf("Inner", { deep: "google.protobuf.Empty", id: "optional string" }),
      ],
      enumType: [
        {
          name: "State",
          value: [
            { name: "STATE_NONE", number: 0 },
            { name: "STATE_ON", number: 1 },
            { name: "STATE_OFF", number: -2 },
          ],
        },
      ],
      service: [{ name: "TestService", method: methods.map(methodOf) }],
    },
    { registry: createRegistry(http) },
  );
  const known = [
    file_google_api_annotations,
    ...dependencies,
    ...file_google_api_annotations.dependencies,
  ];
  const registry = createFileRegistry(file, (name) =>
    known.find(({ proto }) => proto.name === name),
  );
  return registry.getService("test.v1.TestService")!;
}

function methodOf({ streaming = false, ...rule }: MethodSpec, index: number): JsonObject {
  return {
    name: `Method${index}`,
    inputType: ".test.v1.Request",
    outputType: ".test.v1.Request",
    serverStreaming: streaming,
    options: Object.keys(rule).length > 0 ? { "[google.api.http]": rule as JsonObject } : {},
  };
}

function messageOf(name: string, specs: FieldSpecs): JsonObject {
  const optional = Object.keys(specs).filter((field) => specs[field]?.startsWith("optional "));
  return {
    name,
    field: Object.entries(specs).map(([field, spec], index) => ({
      ...fieldOf(field, spec, index + 1),
      ...(optional.includes(field) && {
        proto3Optional: true,
        oneofIndex: optional.indexOf(field),
      }),
    })),
    oneofDecl: optional.map((field) => ({ name: `_${field}` })),
  };
}

function fieldOf(name: string, spec: string, number: number): JsonObject {
  const type = spec.replace(/^(repeated|optional) /, "");
  const jsonName = name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
  const isRepeated = spec.startsWith("repeated ") || type === "map";
  const label = isRepeated ? "LABEL_REPEATED" : "LABEL_OPTIONAL";
  if (/^(?:bool|bytes|string|u?int(?:32|64))$/.test(type)) {
    return { name, jsonName, number, label, type: `TYPE_${type.toUpperCase()}` };
  }
  const ours = type === "map" ? "test.v1.Request.LabelsEntry" : `test.v1.${type}`;
  return {
    ...{ name, jsonName, number, label },
    type: type === "State" ? "TYPE_ENUM" : "TYPE_MESSAGE",
    typeName: type.includes(".") ? `.${type}` : `.${ours}`,
  };
}
