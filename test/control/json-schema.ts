/** The part of JSON Schema that page/openapi.json uses; a word it does not know is a fault. */

export interface Schema {
  readonly [word: string]: unknown;
}

const KNOWN = new Set([
  "$ref",
  "type",
  "enum",
  "properties",
  "required",
  "additionalProperties",
  "items",
  "oneOf",
  "description",
]);

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Where the value does not fit, and how; empty = it fits. */
export function faultsOf(value: unknown, schema: Schema, named: Readonly<Record<string, Schema>>, at = "$"): string[] {
  const unknown = Object.keys(schema).filter((word) => !KNOWN.has(word));
  if (unknown.length > 0) return [`${at}: the schema says ${unknown.join(", ")}`];
  const { $ref, oneOf, type } = schema;
  if (typeof $ref === "string") {
    const target = named[$ref.replace("#/components/schemas/", "")];
    return target === undefined ? [`${at}: no schema ${$ref}`] : faultsOf(value, target, named, at);
  }
  if (Array.isArray(oneOf)) {
    const fitting = oneOf.filter((one: Schema) => faultsOf(value, one, named, at).length === 0);
    return fitting.length === 1 ? [] : [`${at}: ${JSON.stringify(value)} fits ${fitting.length} of the forms`];
  }
  if (!isOfType(value, type)) return [`${at}: ${JSON.stringify(value)} is no ${String(type)}`];
  if (Array.isArray(schema["enum"]) && !schema["enum"].includes(value))
    return [`${at}: ${JSON.stringify(value)} is none of ${schema["enum"].join(", ")}`];
  if (Array.isArray(value) && isObject(schema["items"])) {
    const { items } = schema;
    return value.flatMap((item, i) => faultsOf(item, items as Schema, named, `${at}[${i}]`));
  }
  return isObject(value) ? faultsOfObject(value, schema, named, at) : [];
}

function faultsOfObject(
  value: Readonly<Record<string, unknown>>,
  { properties, required, additionalProperties }: Schema,
  named: Readonly<Record<string, Schema>>,
  at: string,
): string[] {
  const own = isObject(properties) ? properties : {};
  const missing = (Array.isArray(required) ? required : []).filter((name) => !(name in value));
  return [
    ...missing.map((name) => `${at}: ${name} is missing`),
    ...Object.entries(value).flatMap(([name, item]) => {
      const schema = own[name] ?? additionalProperties;
      return isObject(schema) ? faultsOf(item, schema, named, `${at}.${name}`) : [`${at}: ${name} is not described`];
    }),
  ];
}

function isOfType(value: unknown, type: unknown): boolean {
  switch (type) {
    case "object":
      return isObject(value);
    case "array":
      return Array.isArray(value);
    case "integer":
      return Number.isInteger(value);
    default:
      return typeof value === type;
  }
}
