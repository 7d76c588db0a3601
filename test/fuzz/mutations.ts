import fc from "fast-check";

/** One change to a sequence of bytes. Positions are taken modulo its length. */
export interface Mutation {
  kind: "flip" | "set" | "insert" | "delete" | "truncate" | "repeat" | "swap";
  at: number;
  value: number;
}

export const mutations: fc.Arbitrary<Mutation[]> = fc.array(
  fc.record({
    kind: fc.constantFrom("flip", "set", "insert", "delete", "truncate", "repeat", "swap"),
    at: fc.nat(4096),
    value: fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 13, 10, 0x7f, 0x80, 0xff, 0x30, 0x22)),
  }),
  { minLength: 1, maxLength: 4 },
);

export function mutate(bytes: Uint8Array, changes: readonly Mutation[]): Buffer {
  let mutated = Buffer.from(bytes);
  for (const { kind, at, value } of changes) {
    const position = mutated.length === 0 ? 0 : at % mutated.length;
    const before = mutated.subarray(0, position);
    const after = mutated.subarray(position);
    switch (kind) {
      case "flip":
        mutated = Buffer.from(mutated);
        mutated[position] = (mutated[position] ?? 0) ^ (1 << (value % 8));
        break;
      case "set":
        mutated = Buffer.from(mutated);
        mutated[position] = value;
        break;
      case "insert":
        mutated = Buffer.concat([before, Buffer.of(value), after]);
        break;
      case "delete":
        mutated = Buffer.concat([before, after.subarray(1 + (value % 8))]);
        break;
      case "truncate":
        mutated = Buffer.from(before);
        break;
      case "repeat":
        mutated = Buffer.concat([before, after.subarray(0, 1 + value), after]);
        break;
      case "swap":
        mutated = Buffer.concat([after, before]);
    }
  }
  return mutated;
}

/** Changes to fields, each as one line `name: value`; what is not a field afterwards is left out. */
export function mutateFields(
  fields: Readonly<Record<string, string | string[]>>,
  changes: readonly Mutation[],
): Record<string, string | string[]> {
  const lines = Object.entries(fields).flatMap(([name, value]) =>
    [value].flat().map((one) => `${name}: ${one}`),
  );
  const mutated: Record<string, string | string[]> = {};
  for (const line of mutate(Buffer.from(lines.join("\n"), "latin1"), changes)
    .toString("latin1")
    .split("\n")) {
    const [, name, value] = /^([^:]+): ?(.*)$/s.exec(line) ?? [];
    if (name !== undefined && value !== undefined) {
      mutated[name] = name in mutated ? [mutated[name] ?? "", value].flat() : value;
    }
  }
  return mutated;
}
