/** For tests of jobs and schedules: in milliseconds, without a server. See `docs/testing.md`. */
export { fails, hangs, lasts, type Outcome, type Script, succeeds } from './outcomes.ts';
export { type PlayedRun, type PlayedTimer, type PlayRunOptions, playRun } from './play-run.ts';
export {
  type PlayedEntry,
  type PlayedSchedule,
  type PlayedScheduleRun,
  type PlayedStretch,
  type PlayScheduleOptions,
  playSchedule,
  type ScheduleHappening,
} from './play-schedule.ts';
export type { Logged, Sent } from './run-keeper.ts';
export type { Call } from './stage.ts';
export { VirtualClock } from './virtual-clock.ts';
