import { expect, it } from 'vitest';
import { RecentlyUsed } from '../../../src/domain/schedule/recently-used.ts';

it('keeps no more than its limit, however many are asked for, and drops what was used longest ago', () => {
  const computed: string[] = [];
  const values = new RecentlyUsed<string>(2);
  const get = (key: string) => values.get(key, () => `${computed.push(key)}`);
  for (const key of ['a', 'b', 'a', 'c', 'a', 'b']) get(key);
  expect(computed).toEqual(['a', 'b', 'c', 'b']);
  for (let index = 0; index < 100_000; index++) get(`${index}`);
  expect(values.size).toBe(2);
});

it('keeps nothing of what failed', () => {
  const values = new RecentlyUsed<string>(2);
  const fail = () => {
    throw new RangeError('no');
  };
  expect(() => values.get('a', fail)).toThrow('no');
  expect(values.get('a', () => 'yes')).toBe('yes');
});
