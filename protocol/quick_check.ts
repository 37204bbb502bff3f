/**
 * A quick yes for values that a valibot schema takes as they are: nothing to drop, nothing to fill
 * in. A no says nothing, so whoever hears it asks the schema itself, which also knows what is
 * wrong. Walking a schema costs several times what reading the JSON does; this was a tenth of what
 * a forwarded message costs the server.
 */

/** What the check reads of a schema or an action; what it does not know makes the answer no. */
interface Part {
  readonly type: string;
  readonly kind: string;
  /** A schema and its actions. */
  readonly pipe?: readonly Part[];
  readonly entries?: Readonly<Record<string, Part>>;
  readonly wrapped?: Part;
  readonly item?: Part;
  readonly key?: unknown;
  readonly options?: readonly unknown[];
  readonly literal?: unknown;
  readonly default?: unknown;
  readonly fallback?: unknown;
  readonly requirement?: unknown;
}

export type QuickCheck = (value: unknown) => boolean;

const NO: QuickCheck = () => false;

/**
 * `check(value)` is true only if the schema takes `value` and gives back an equal one. For values
 * as JSON.parse makes them.
 */
export function quickCheck(schema: Part): QuickCheck {
  if (schema.pipe === undefined) return plain(schema);
  const [first, ...actions] = schema.pipe;
  return actions.reduce((before, action) => both(before, actionCheck(action)), quickCheck(first));
}

const both = (one: QuickCheck, other: QuickCheck): QuickCheck => (value) =>
  one(value) && other(value);

function plain(schema: Part): QuickCheck {
  switch (schema.type) {
    case "string":
      return (value) => typeof value === "string";
    case "number":
      return (value) => typeof value === "number" && !Number.isNaN(value);
    case "boolean":
      return (value) => typeof value === "boolean";
    case "literal":
      return (value) => value === schema.literal;
    case "picklist": {
      const options = new Set(schema.options);
      return (value) => options.has(value);
    }
    case "nullable":
    case "optional": {
      if (schema.wrapped === undefined) return NO;
      const inner = quickCheck(schema.wrapped);
      // Whether a value may be missing is the object's to judge.
      return schema.type === "optional" ? inner : (value) => value === null || inner(value);
    }
    case "array": {
      if (schema.item === undefined) return NO;
      const item = quickCheck(schema.item);
      return (value) => Array.isArray(value) && value.every(item);
    }
    case "object":
      return objectCheck(Object.entries(schema.entries ?? {}));
    case "variant":
      return variantCheck(schema);
    default:
      return NO;
  }
}

/** The value of an own or inherited field; JSON.parse makes no getters. */
const fieldOf = (value: object, key: string): unknown => (value as Record<string, unknown>)[key];

const isObject = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function objectCheck(entries: readonly (readonly [string, Part])[]): QuickCheck {
  const keys = entries.map(([key]) => key);
  const checks = entries.map(([, schema]) => quickCheck(schema));
  const mayMiss = entries.map(([, { type, default: filled, fallback }]) =>
    type === "optional" && filled === undefined && fallback === undefined
  );
  // What every object inherits would pass for a field.
  if (keys.some((key) => key in Object.prototype)) return NO;
  return (value) => {
    if (!isObject(value)) return false;
    let known = 0;
    for (let i = 0; i < keys.length; i++) {
      const field = fieldOf(value, keys[i]);
      if (field === undefined) {
        if (!mayMiss[i]) return false;
      } else if (checks[i](field)) known++;
      else return false;
    }
    // The schema would drop any other field.
    for (const _ in value) known--;
    return known === 0;
  };
}

function variantCheck({ key, options = [] }: Part): QuickCheck {
  if (typeof key !== "string" || key in Object.prototype) return NO;
  const checks = new Map<unknown, QuickCheck>();
  for (const option of options as readonly Part[]) {
    const { type, literal } = option.entries?.[key] ?? {};
    if (option.type !== "object" || type !== "literal" || checks.has(literal)) return NO;
    checks.set(literal, quickCheck(option));
  }
  return (value) => isObject(value) && checks.get(fieldOf(value, key))?.(value) === true;
}

/** An action behind its schema, so the value's type is right. */
function actionCheck({ kind, type, requirement }: Part): QuickCheck {
  if (kind !== "validation") return NO;
  switch (type) {
    case "integer":
      return Number.isInteger;
    case "finite":
      return Number.isFinite;
    case "uuid":
      return isUuid;
    case "min_value":
      return typeof requirement === "number" ? (value) => Number(value) >= requirement : NO;
    case "max_value":
      return typeof requirement === "number" ? (value) => Number(value) <= requirement : NO;
    case "min_length":
      return typeof requirement === "number" ? (value) => lengthOf(value) >= requirement : NO;
    case "max_length":
      return typeof requirement === "number" ? (value) => lengthOf(value) <= requirement : NO;
    case "regex":
    case "base64":
      return requirement instanceof RegExp && !requirement.global && !requirement.sticky
        ? (value) => requirement.test(String(value))
        : NO;
    case "check":
      return typeof requirement === "function" ? (value) => requirement(value) === true : NO;
    default:
      return NO;
  }
}

const lengthOf = (value: unknown): number =>
  typeof value === "string" || Array.isArray(value) ? value.length : NaN;

const UUID_CHARS = 36;
const DASH = 45;

/** 8-4-4-4-12 hex digits of any case, as RFC 9562 section 4 writes them. */
function isUuid(value: unknown): boolean {
  if (typeof value !== "string" || value.length !== UUID_CHARS) return false;
  for (let i = 0; i < UUID_CHARS; i++) {
    const code = value.charCodeAt(i);
    const isDashed = i === 8 || i === 13 || i === 18 || i === 23;
    if (isDashed ? code !== DASH : !isHex(code)) return false;
  }
  return true;
}

const isHex = (code: number): boolean =>
  (code >= 48 && code <= 57) || (code >= 97 && code <= 102) || (code >= 65 && code <= 70);
