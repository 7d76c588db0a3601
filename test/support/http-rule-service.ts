import type { DescService } from "@bufbuild/protobuf";
import { create, createFileRegistry, setExtension } from "@bufbuild/protobuf";
import type { FieldDescriptorProto } from "@bufbuild/protobuf/wkt";
import {
  DescriptorProtoSchema,
  EnumDescriptorProtoSchema,
  FieldDescriptorProtoSchema,
  FileDescriptorProtoSchema,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
  FieldDescriptorProto_Label as Label,
  MethodDescriptorProtoSchema,
  MethodOptionsSchema,
  ServiceDescriptorProtoSchema,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";
import { file_google_api_annotations, http } from "../../gen/google/api/annotations_pb.js";
import type { HttpRule } from "../../gen/google/api/http_pb.js";
import { HttpRuleSchema } from "../../gen/google/api/http_pb.js";

/** An annotation in short: one of the verbs with its path, and the rest of the rule. */
export interface MethodSpec {
  get?: string;
  put?: string;
  post?: string;
  delete?: string;
  patch?: string;
  custom?: { kind: string; path: string };
  body?: string;
  responseBody?: string;
  additional?: MethodSpec[];
  streaming?: boolean;
}

/** Fields of the request by name: a scalar, `State`, `Nested` or a well-known type, perhaps repeated. */
export type FieldSpecs = Record<string, string>;

const scalars: Record<string, Type> = {
  double: Type.DOUBLE,
  float: Type.FLOAT,
  int32: Type.INT32,
  int64: Type.INT64,
  uint32: Type.UINT32,
  uint64: Type.UINT64,
  sint64: Type.SINT64,
  fixed64: Type.FIXED64,
  sfixed32: Type.SFIXED32,
  bool: Type.BOOL,
  string: Type.STRING,
  bytes: Type.BYTES,
};

/** A service with one method for each spec; all take the same request, and respond with it. */
export function buildService(fields: FieldSpecs, methods: readonly MethodSpec[]): DescService {
  const proto3Optional: string[] = [];
  const request = create(DescriptorProtoSchema, {
    name: "Request",
    field: Object.entries(fields).map(([name, type], index) => {
      const field = fieldOf(name, type, index + 1);
      if (type.startsWith("optional ")) {
        field.proto3Optional = true;
        field.oneofIndex = proto3Optional.push(name) - 1;
      }
      return field;
    }),
    nestedType: [
      create(DescriptorProtoSchema, {
        name: "LabelsEntry",
        field: [fieldOf("key", "string", 1), fieldOf("value", "string", 2)],
        options: { mapEntry: true },
      }),
    ],
  });
  request.oneofDecl = proto3Optional.map((name) => ({
    $typeName: "google.protobuf.OneofDescriptorProto",
    name: `_${name}`,
  })) as typeof request.oneofDecl;
  const file = create(FileDescriptorProtoSchema, {
    name: "test.proto",
    package: "test.v1",
    syntax: "proto3",
    dependency: ["google/api/annotations.proto", ...dependencies.map(({ proto }) => proto.name)],
    messageType: [
      request,
      create(DescriptorProtoSchema, {
        name: "Nested",
        field: [
          fieldOf("id", "string", 1),
          fieldOf("inner", "Inner", 2),
          fieldOf("numbers", "repeated int32", 3),
        ],
      }),
      create(DescriptorProtoSchema, {
        name: "Inner",
        field: [fieldOf("deep", "google.protobuf.Empty", 1), fieldOf("id", "optional string", 2)],
      }),
    ],
    enumType: [
      create(EnumDescriptorProtoSchema, {
        name: "State",
        value: [
          { name: "STATE_NONE", number: 0 },
          { name: "STATE_ON", number: 1 },
          { name: "STATE_OFF", number: -2 },
        ],
      }),
    ],
    service: [
      create(ServiceDescriptorProtoSchema, {
        name: "TestService",
        method: methods.map((spec, index) => {
          const options = create(MethodOptionsSchema);
          const rule = toRule(spec);
          if (rule.pattern.case !== undefined) {
            setExtension(options, http, rule);
          }
          return create(MethodDescriptorProtoSchema, {
            name: `Method${index}`,
            inputType: ".test.v1.Request",
            outputType: ".test.v1.Request",
            serverStreaming: spec.streaming ?? false,
            options,
          });
        }),
      }),
    ],
  });
  const inner = file.messageType[2]?.field[1];
  if (inner !== undefined) {
    inner.proto3Optional = true;
    inner.oneofIndex = 0;
    file.messageType[2]!.oneofDecl = [
      { $typeName: "google.protobuf.OneofDescriptorProto", name: "_id" },
    ] as NonNullable<(typeof file.messageType)[0]>["oneofDecl"];
  }
  const registry = createFileRegistry(file, (name) =>
    [
      file_google_api_annotations,
      ...dependencies,
      ...file_google_api_annotations.dependencies,
    ].find(({ proto }) => proto.name === name),
  );
  return registry.getService("test.v1.TestService")!;
}

const dependencies = [
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
];

function fieldOf(name: string, spec: string, number: number): FieldDescriptorProto {
  const type = spec.replace(/^(repeated|optional) /, "");
  const scalar = scalars[type];
  const label = spec.startsWith("repeated ") || type === "map" ? Label.REPEATED : Label.OPTIONAL;
  const jsonName = name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
  if (scalar !== undefined) {
    return create(FieldDescriptorProtoSchema, { name, jsonName, number, label, type: scalar });
  }
  return create(FieldDescriptorProtoSchema, {
    name,
    jsonName,
    number,
    label,
    type: type === "State" ? Type.ENUM : Type.MESSAGE,
    typeName:
      type === "map"
        ? ".test.v1.Request.LabelsEntry"
        : type.includes(".")
          ? `.${type}`
          : `.test.v1.${type}`,
  });
}

function toRule(spec: MethodSpec): HttpRule {
  const rule = create(HttpRuleSchema, {
    body: spec.body ?? "",
    responseBody: spec.responseBody ?? "",
    additionalBindings: (spec.additional ?? []).map(toRule),
  });
  for (const verb of ["get", "put", "post", "delete", "patch"] as const) {
    const value = spec[verb];
    if (value !== undefined) {
      rule.pattern = { case: verb, value };
    }
  }
  if (spec.custom !== undefined) {
    rule.pattern = {
      case: "custom",
      value: { $typeName: "google.api.CustomHttpPattern", ...spec.custom },
    };
  }
  return rule;
}
