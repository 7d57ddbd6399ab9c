import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { instant } from '../../src/domain/ids.ts';
import { commandForRun, parseStartCommand, startDeadline } from '../../src/domain/start-command.ts';

const command = (body: object) => parseStartCommand(Buffer.from(JSON.stringify(body)));
const PUBLISHED = instant(Date.parse('2026-11-23T03:00:00Z'));
const time = fc.integer({ min: Date.parse('2000-01-01T00:00:00Z'), max: Date.parse('2100-01-01T00:00:00Z') });

describe('the latest instant at which a run may begin', () => {
  it.each<[object, number | undefined, string | undefined]>([
    [{}, undefined, undefined],
    [{}, 60_000, '2026-11-23T03:01:00.000Z'],
    [{ expires: '2026-11-23T03:00:30Z' }, undefined, '2026-11-23T03:00:30.000Z'],
    [{ expires: '2026-11-23T05:00:30+02:00' }, 60_000, '2026-11-23T03:00:30.000Z'],
    [{ expires: '2026-11-23T03:05:00.123456Z' }, 60_000, '2026-11-23T03:01:00.000Z'],
    [{ expires: '1999-12-31T23:59:59Z' }, Number.MAX_SAFE_INTEGER, '1999-12-31T23:59:59.000Z'],
  ])('of %j, in a queue of %s ms, is %s', (body, queueTimeoutMs, latest) => {
    const deadline = startDeadline(command(body), PUBLISHED, queueTimeoutMs);
    expect(deadline === undefined ? undefined : new Date(deadline).toISOString()).toBe(latest);
  });

  it('is whichever comes first, wherever the clock that wrote it stands', () => {
    fc.assert(
      fc.property(time, time, fc.nat(10_000_000), fc.integer({ min: -12 * 60, max: 14 * 60 }), (publishedAt, expires, waitMs, zone) => {
        const sign = zone < 0 ? '-' : '+';
        const two = (number: number) => String(Math.floor(Math.abs(number))).padStart(2, '0');
        const text = `${new Date(expires + zone * 60_000).toISOString().slice(0, -1)}${sign}${two(zone / 60)}:${two(zone % 60)}`;
        expect(startDeadline(command({ expires: text }), instant(publishedAt), waitMs)).toBe(Math.min(expires, publishedAt + waitMs));
        expect(startDeadline(command({ expires: text }), instant(publishedAt))).toBe(expires);
      }),
    );
  });
});

it.each([
  'tomorrow',
  '2026-11-23',
  '2026-11-23T03:00:00',
  '2026-11-23T03:00Z',
  '2026-02-30T03:00:00Z',
  '2026-11-23T25:00:00Z',
  1_790_000_000,
  null,
])('a command that expires at %j is refused, and told what was expected', (expires) => {
  expect(() => command({ expires })).toThrow(
    expect.objectContaining({ code: 'COMMAND_INVALID', message: expect.stringMatching(/ISO 8601 instant with a zone[\s\S]*expires/) }),
  );
});

it('a command that is sent again for its run still says when it expires', () => {
  const body = Buffer.from(JSON.stringify({ expires: '2026-11-23T05:00:30+02:00' }));
  expect(parseStartCommand(commandForRun(body, 'r1' as never))).toEqual({ key: 'r1', expires: '2026-11-23T05:00:30+02:00' });
});
