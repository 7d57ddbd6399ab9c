import { describe, expect, it } from 'vitest';
import { TerminalError } from '../../../src/domain/errors.ts';
import { firstNonJson } from '../../../src/domain/statechart/json.ts';
import { MAX_ERROR_MESSAGE_LENGTH, serializeError } from '../../../src/domain/statechart/serialized-error.ts';

describe('firstNonJson', () => {
  it.each([
    [{ a: [1, 'x', null, true, { b: {} }], absent: undefined }, undefined],
    [Object.create(null), undefined],
    [{ a: { born: new Date(0) } }, '$.a.born: Date'],
    [{ seen: new Map() }, '$.seen: Map'],
    [[1, Number.NaN], '$[1]: NaN'],
    [{ a: Number.POSITIVE_INFINITY }, '$.a: Infinity'],
    [[undefined], '$[0]: undefined'],
    [{ a: 1n }, '$.a: bigint'],
    [{ call: () => {} }, '$.call: function'],
    [undefined, '$: undefined'],
  ])('%o: %s', (value, path) => {
    expect(firstNonJson(value)).toBe(path);
  });

  it('finds a cycle, and lets the same object appear twice', () => {
    const cyclic: { self?: object } = {};
    cyclic.self = cyclic;
    const shared = { a: 1 };
    expect(firstNonJson(cyclic)).toBe('$.self: cycle');
    expect(firstNonJson({ one: shared, two: shared })).toBeUndefined();
  });
});

describe('serializeError', () => {
  it('keeps name, message, code, retryable and causes, and leaves the stack out', () => {
    const cause = Object.assign(new Error('connection refused'), { code: 'ECONNREFUSED' });
    const error = serializeError(new TerminalError('no graph', { cause }));
    expect(error).toEqual({
      name: 'TerminalError',
      message: 'no graph',
      code: 'TERMINAL',
      retryable: false,
      cause: { name: 'Error', message: 'connection refused', code: 'ECONNREFUSED' },
    });
    expect(serializeError(error)).toEqual(error);
  });

  it('leaves nothing but JSON behind, whatever was thrown', () => {
    const cyclic: { self?: object } = {};
    cyclic.self = cyclic;
    for (const thrown of ['text', 7n, undefined, null, cyclic, { name: 'E', message: 'm', stack: 's', extra: new Map() }, { code: 1 }]) {
      const error = serializeError(thrown);
      expect(firstNonJson(error)).toBeUndefined();
      expect(error).not.toHaveProperty('stack');
      expect(error).not.toHaveProperty('extra');
    }
    expect(serializeError('text')).toEqual({ name: 'NonError', message: 'text' });
  });

  it('shortens an endless message and an endless chain of causes', () => {
    const endless: { name: string; message: string; cause?: object } = { name: 'E', message: 'x'.repeat(10_000) };
    endless.cause = endless;
    const error = serializeError(endless);
    expect(error.message).toHaveLength(MAX_ERROR_MESSAGE_LENGTH);
    expect(JSON.stringify(error).length).toBeLessThan(5 * MAX_ERROR_MESSAGE_LENGTH);
  });
});
