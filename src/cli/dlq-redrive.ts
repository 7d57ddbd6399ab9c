import type { Command } from 'commander';
import { type SettleOptions, settleLetters } from './dlq-settle.ts';

export const dlqRedrive = (ids: readonly number[], options: SettleOptions, command: Command): Promise<void> =>
  settleLetters('redrive', ids, options, command);
