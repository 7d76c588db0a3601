import type { JsonValue } from "@bufbuild/protobuf";

/** `password`, `clientSecret`, `keyDetails`; neither ids of such things nor keys of roles. */
const secretField = /token|cookie|secret|passw|passphrase|credential|signature|(?<!role_?)key/i;
const id = /ids?$/i;

/**
 * The JSON of a message with `***` for each text in a field whose name speaks of a secret.
 *
 * @param onSecret is called with each of these texts.
 */
export function maskSecretFields(
  json: JsonValue,
  onSecret: (secret: string) => void,
  name = "",
): JsonValue {
  if (typeof json === "string") {
    if (json === "" || !secretField.test(name) || id.test(name)) {
      return json;
    }
    onSecret(json);
    return "***";
  }
  if (Array.isArray(json)) {
    return json.map((item) => maskSecretFields(item, onSecret, name));
  }
  return typeof json === "object" && json !== null
    ? Object.fromEntries(
        Object.entries(json).map(([field, value]) => [
          field,
          maskSecretFields(value, onSecret, field),
        ]),
      )
    : json;
}
