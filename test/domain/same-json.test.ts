import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { sameJson } from '../../src/domain/same-json.ts';

const parsed = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
const reversed = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, item]) => [key, reversed(item)]),
  );
};

it('agrees with a comparison of structures, in whatever order the keys are', () => {
  const small = fc.jsonValue({ maxDepth: 2 });
  fc.assert(
    fc.property(small, small, (one, other) => {
      expect(sameJson(parsed(one), reversed(parsed(one)))).toBe(true);
      expect(sameJson(parsed(one), parsed(other))).toBe(isDeepStrictEqual(parsed(one), parsed(other)));
    }),
    { numRuns: 500 },
  );
});

it.each([
  [[], {}],
  [{ a: 1 }, { b: 1 }],
  [{ a: null }, {}],
  [null, {}],
  [{ toString: 1 }, { a: 1 }],
])('%o and %o differ', (one, other) => {
  expect([sameJson(one, other), sameJson(other, one)]).toEqual([false, false]);
});
