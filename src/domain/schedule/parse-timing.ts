import type { Timing } from './timing.ts';
export function parseTiming(input: unknown, _defaults: { timeZone: string }): Timing {
  return input as Timing;
}
