import type { Command } from 'commander';
import type { RunId } from '../domain/ids.ts';
import { type ControlOptions, controlRuns } from './control-runs.ts';

type Options = ControlOptions & { payload: Readonly<Record<string, unknown>> };

export const runSignal = (id: RunId, type: string, { payload, ...options }: Options, command: Command): Promise<void> =>
  controlRuns([id], options, command, (control, request) => control.signal(request, { ...payload, type }));
