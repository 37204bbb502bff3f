/** Checks documents against the field lists in server/core/telemetry/testdata. */
import { isIP } from "node:net";
import ecsFields from "../core/telemetry/testdata/ecs_8.12.0.json" with { type: "json" };
import ocsfSchema from "../core/telemetry/testdata/ocsf_1.5.0.json" with { type: "json" };

interface EcsField {
  readonly type: string;
  readonly array?: boolean;
}
interface EcsSchema {
  readonly version: string;
  readonly required: readonly string[];
  readonly fields: Readonly<Record<string, EcsField>>;
  readonly allowed: Readonly<Record<string, readonly string[]>>;
  readonly expectedTypes: Readonly<Record<string, readonly string[]>>;
}
interface OcsfAttribute {
  readonly type: string;
  readonly requirement: "required" | "recommended" | "optional";
  readonly object?: string;
  readonly array?: boolean;
  readonly profile?: string;
  readonly enum?: Readonly<Record<string, string>>;
}
interface OcsfShape {
  readonly open?: boolean;
  readonly constraints?: { readonly at_least_one?: readonly string[] };
  readonly attributes: Readonly<Record<string, OcsfAttribute>>;
}
interface OcsfSchema {
  readonly version: string;
  readonly classes: Readonly<
    Record<string, OcsfShape & { readonly caption: string; readonly category_uid: number }>
  >;
  readonly objects: Readonly<Record<string, OcsfShape>>;
  readonly types: Readonly<
    Record<
      string,
      { readonly type?: string; readonly regex?: string; readonly range?: [number, number] }
    >
  >;
}

export const ECS: EcsSchema = ecsFields;
export const OCSF: OcsfSchema = ocsfSchema as unknown as OcsfSchema;

type Doc = Record<string, unknown>;
const isObject = (value: unknown): value is Doc =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Everything that is wrong with an ECS document. */
export function ecsProblems(doc: unknown): string[] {
  const flat = new Map<string, unknown>();
  const walk = (value: unknown, path: string) => {
    if (isObject(value) && ECS.fields[path]?.type !== "object") {
      for (const [key, inner] of Object.entries(value)) {
        walk(inner, path === "" ? key : `${path}.${key}`);
      }
    } else flat.set(path, value);
  };
  walk(doc, "");
  const missing = ECS.required.filter((f) => !flat.has(f)).map((f) => `${f} is missing`);
  const wrong = [...flat].flatMap(([path, value]) => ecsFieldProblems(path, value));
  const types = listOf(flat.get("event.type"));
  const categories = listOf(flat.get("event.category"));
  const unexpected = types
    .filter((t) => !categories.some((c) => ECS.expectedTypes[c]?.includes(t)))
    .map((t) => `event.type ${t} fits none of ${categories}`);
  return [...missing, ...wrong, ...unexpected];
}

const listOf = (value: unknown): readonly string[] => Array.isArray(value) ? value : [];

function ecsFieldProblems(path: string, value: unknown): string[] {
  const field = ECS.fields[path];
  if (field === undefined) return [`${path} is no field`];
  if (Array.isArray(value) !== (field.array ?? false)) return [`${path}: array or not`];
  const values = Array.isArray(value) ? value : [value];
  const allowed = ECS.allowed[path];
  return values.flatMap((one) => {
    if (!ecsTypeFits(field.type, one)) return [`${path}: ${JSON.stringify(one)}`];
    const known = allowed === undefined || allowed.includes(String(one));
    return known ? [] : [`${path}: ${one} is not allowed`];
  });
}

function ecsTypeFits(type: string, value: unknown): boolean {
  switch (type) {
    case "date":
      return typeof value === "string" && new Date(value).toISOString() === value;
    case "long":
      return Number.isSafeInteger(value);
    case "ip":
      return typeof value === "string" && isIP(value) !== 0;
    case "object":
      return isObject(value) && Object.values(value).every((v) => typeof v === "string");
    case "keyword":
      return typeof value === "string" && value.length <= 1024;
    case "match_only_text":
      return typeof value === "string";
    default:
      return false;
  }
}

/** Everything that is wrong with an OCSF event. */
export function ocsfProblems(doc: unknown): string[] {
  if (!isObject(doc)) return ["not an object"];
  const shape = OCSF.classes[String(doc.class_uid)];
  if (shape === undefined) return [`class ${doc.class_uid} is unknown`];
  const profiles = isObject(doc.metadata) ? doc.metadata.profiles ?? [] : [];
  const sums = doc.type_uid === Number(doc.class_uid) * 100 + Number(doc.activity_id);
  const caption = shape.attributes.activity_id.enum?.[String(doc.activity_id)];
  const named = doc.activity_id === 99 ? doc.activity_name !== "" : doc.activity_name === caption;
  return [
    ...ocsfShapeProblems(doc, { shape, path: shape.caption, profiles: profiles as string[] }),
    ...(sums ? [] : ["type_uid is not class_uid * 100 + activity_id"]),
    ...(named ? [] : [`activity_name should be ${caption}`]),
    ...(doc.class_name === shape.caption ? [] : [`class_name should be ${shape.caption}`]),
    ...(doc.category_uid === shape.category_uid ? [] : ["category_uid is another class's"]),
  ];
}

function ocsfShapeProblems(
  value: Doc,
  at: { readonly shape: OcsfShape; readonly path: string; readonly profiles: readonly string[] },
): string[] {
  const { shape, path, profiles } = at;
  if (shape.open === true) return [];
  const problems: string[] = [];
  for (const [name, attribute] of Object.entries(shape.attributes)) {
    const inForce = attribute.profile === undefined || profiles.includes(attribute.profile);
    if (attribute.requirement === "required" && inForce && value[name] === undefined) {
      problems.push(`${path}.${name} is missing`);
    }
    if (!inForce && value[name] !== undefined) {
      problems.push(`${path}.${name} needs the profile ${attribute.profile}`);
    }
  }
  const one = shape.constraints?.at_least_one;
  if (one !== undefined && !one.some((name) => value[name] !== undefined)) {
    problems.push(`${path} has none of ${one}`);
  }
  for (const [name, inner] of Object.entries(value)) {
    const attribute = shape.attributes[name];
    if (attribute === undefined) problems.push(`${path}.${name} is no attribute`);
    else {problems.push(
        ...ocsfValueProblems(inner, attribute, { path: `${path}.${name}`, profiles }),
      );}
  }
  return problems;
}

function ocsfValueProblems(
  value: unknown,
  attribute: OcsfAttribute,
  at: { readonly path: string; readonly profiles: readonly string[] },
): string[] {
  const { path } = at;
  if (Array.isArray(value) !== (attribute.array ?? false)) return [`${path}: array or not`];
  return (Array.isArray(value) ? value : [value]).flatMap((one) => {
    if (attribute.enum !== undefined && attribute.enum[String(one)] === undefined) {
      return [`${path}: ${one} is not in the enumeration`];
    }
    if (attribute.type !== "object_t") {
      return ocsfTypeFits(attribute.type, one) ? [] : [`${path}: ${JSON.stringify(one)}`];
    }
    const shape = OCSF.objects[attribute.object ?? ""];
    if (shape === undefined) return [`${path}: the object ${attribute.object} is not listed`];
    return isObject(one) ? ocsfShapeProblems(one, { ...at, shape }) : [`${path} is no object`];
  });
}

function ocsfTypeFits(type: string, value: unknown): boolean {
  const { type: base = type, regex } = OCSF.types[type] ?? {};
  switch (base) {
    case "string_t":
      if (type === "ip_t") return typeof value === "string" && isIP(value) !== 0;
      return typeof value === "string" && (regex === undefined || new RegExp(regex).test(value));
    case "integer_t":
    case "long_t":
      return Number.isSafeInteger(value);
    case "boolean_t":
      return typeof value === "boolean";
    default:
      return type === "json_t";
  }
}
