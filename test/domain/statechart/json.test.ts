import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { throughJson } from '../../../src/domain/statechart/json.ts';

const roundTrip = (value: unknown) => JSON.parse(JSON.stringify({ value })).value;

describe('a value through JSON', () => {
  it('is what writing and reading gives, whatever it was', () => {
    const anything = fc.anything({ withDate: true, withMap: true, withSet: true, withNullPrototype: true, withSparseArray: true });
    fc.assert(
      fc.property(anything, (value) => {
        fc.pre(value !== undefined && JSON.stringify(value) !== undefined);
        const copy = throughJson(value);
        expect(copy).toStrictEqual(roundTrip(value));
        expect(JSON.stringify(copy)).toBe(JSON.stringify(value)); // in the same order
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    ['a negative zero', { n: -0 }],
    ['numbers that JSON does not know', [Number.NaN, Number.POSITIVE_INFINITY]],
    ['an undefined, absent or not', [undefined, { gone: undefined }]],
    ['a key that would be a prototype', JSON.parse('{"__proto__":{"a":1}}')],
    ['something that writes itself', { at: new Date(0), own: { toJSON: () => 'own' } }],
    ['very deep', JSON.parse(`${'['.repeat(500)}${']'.repeat(500)}`)],
    [
      'a class',
      {
        of: new (class {
          field = 1;
        })(),
      },
    ],
  ])('%s', (_, value) => {
    expect(throughJson(value)).toStrictEqual(roundTrip(value));
  });

  it('is never the same object, nor twice the same', () => {
    const shared = { a: 1 };
    const copy = throughJson({ first: shared, second: shared });
    expect(copy.first).not.toBe(shared);
    expect(copy.first).not.toBe(copy.second);
  });

  it('that is a cycle is refused', () => {
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    expect(() => throughJson(cycle)).toThrow(TypeError);
  });
});
