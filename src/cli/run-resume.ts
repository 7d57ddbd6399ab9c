import type { Command } from 'commander';
import type { RunId } from '../domain/ids.ts';
import { type ControlOptions, controlRuns } from './control-runs.ts';

export const runResume = (ids: readonly RunId[], options: ControlOptions, command: Command): Promise<void> =>
  controlRuns(ids, options, command, (control, request) => control.signal(request, { type: 'resume' }));
