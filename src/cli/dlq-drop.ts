import type { Command } from 'commander';
import { type SettleOptions, settleLetters } from './dlq-settle.ts';

export const dlqDrop = (ids: readonly number[], options: SettleOptions, command: Command): Promise<void> =>
  settleLetters('drop', ids, options, command);
