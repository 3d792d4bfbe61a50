/**
 * An example input from a JSON Schema, for the first `curl`. It fits the schemas that schemars derives
 * from Rust types; where it cannot know a business rule, the server's 422 names the path to mend.
 */

type Schema = Record<string, unknown>;
/** References may form a ring (a tree type): below this depth nothing is invented any more. */
const DEPTH_MAX = 8;

export function sample(schema: unknown, root: unknown = schema, depth = 0): unknown {
  if (!isSchema(schema) || depth > DEPTH_MAX) return null;
  if ("default" in schema) return schema.default;
  if ("const" in schema) return schema.const;
  if (Array.isArray(schema.examples) && schema.examples.length > 0) return schema.examples[0] as unknown;
  if (Array.isArray(schema.enum)) return schema.enum[0] as unknown;
  if (typeof schema.$ref === "string") return sample(resolve(root, schema.$ref), root, depth + 1);
  for (const key of ["anyOf", "oneOf", "allOf"]) {
    const choices = schema[key];
    if (Array.isArray(choices)) {
      const choice: unknown = choices.find((one) => !isSchema(one) || one.type !== "null");
      return sample(choice, root, depth + 1);
    }
  }
  return byType(schema, root, depth);
}

function byType(schema: Schema, root: unknown, depth: number): unknown {
  const type: unknown = Array.isArray(schema.type) ? schema.type.find((one) => one !== "null") : schema.type;
  switch (type) {
    case "object":
      return object(schema, root, depth);
    case "array":
      return schema.minItems === 0 || !isSchema(schema.items) ? [] : [sample(schema.items, root, depth + 1)];
    case "integer":
    case "number":
      return number(schema);
    case "boolean":
      return false;
    case "string":
      return text(schema);
    default:
      return null;
  }
}

/** Required properties alone: the shortest input that is accepted teaches best. */
function object(schema: Schema, root: unknown, depth: number): Schema {
  const properties = isSchema(schema.properties) ? schema.properties : {};
  const required = Array.isArray(schema.required) ? schema.required : Object.keys(properties);
  const made: Schema = {};
  for (const [name, property] of Object.entries(properties)) {
    if (required.includes(name)) made[name] = sample(property, root, depth + 1);
  }
  return made;
}

function number(schema: Schema): number {
  const { minimum, exclusiveMinimum, maximum } = schema;
  if (typeof exclusiveMinimum === "number") return exclusiveMinimum + 1;
  const least = typeof minimum === "number" ? Math.max(minimum, 1) : 1;
  return typeof maximum === "number" ? Math.min(least, maximum) : least;
}

function text(schema: Schema): string {
  switch (schema.format) {
    case "uuid":
      return "00000000-0000-4000-8000-000000000001";
    case "date":
      return "2026-01-31";
    case "date-time":
      return "2026-01-31T12:00:00Z";
    default:
      return typeof schema.minLength === "number" && schema.minLength > 7 ? "x".repeat(schema.minLength) : "example";
  }
}

function resolve(root: unknown, reference: string): unknown {
  if (!reference.startsWith("#")) return null;
  const parts = reference.slice(1).split("/").filter((part) => part !== "");
  return parts.reduce<unknown>((at, part) => {
    const name = decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~");
    return isSchema(at) ? at[name] : null;
  }, root);
}

function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The command that submits a first saga: safe to paste, and safe to paste twice. */
export function firstCurl(origin: string, name: string, input: unknown): string {
  const body = JSON.stringify({ saga: name, input });
  return [
    `curl -i ${origin}/v1/sagas \\`,
    `  -H 'content-type: application/json' \\`,
    `  -H 'idempotency-key: first-${name}' \\`,
    `  -d '${body.replaceAll("'", `'\\''`)}'`,
  ].join("\n");
}
