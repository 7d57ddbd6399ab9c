import type { Command } from 'commander';
import type { RunId } from '../domain/ids.ts';
import { type ControlOptions, controlRuns } from './control-runs.ts';

export const runRetry = (ids: readonly RunId[], options: ControlOptions, command: Command): Promise<void> =>
  controlRuns(ids, options, command, (control, request) => control.retry(request));
