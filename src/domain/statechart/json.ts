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
