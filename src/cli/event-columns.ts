import type { RunEvent } from '../domain/run-event.ts';
import type { Columns } from './output.ts';

/** How events are shown to people. Programs get them whole. */
export const eventColumns: Columns<RunEvent> = {
  TIME: ({ time }) => time,
  RUN: ({ subject }) => subject,
  REV: ({ data }) => String(data.revision),
  TYPE: ({ type }) => type.replace(/^almanac\.run\./, ''),
  FROM: ({ data }) => data.from,
  TO: ({ data }) => data.to,
  CAUSE: causeOf,
  BY: ({ data: { actor } }) => actor && (actor.why === undefined ? actor.who : `${actor.who}: ${actor.why}`),
};

function causeOf({ type, subject, data: { cause, event } }: RunEvent): string {
  if ('activity' in cause) return `${cause.activity} ${event?.type.startsWith('xstate.error.') ? 'failed' : 'done'}`;
  if ('timer' in cause) return `timer ${delayOf(cause.timer, subject.split('/')[0]!)}`;
  switch (type) {
    case 'almanac.run.started':
      return 'start command';
    case 'almanac.run.restarted':
      return 'restart command';
    case 'almanac.run.resumed':
      return 'held again';
    default:
      return `signal ${event?.type.replace(/^almanac\./, '')}`;
  }
}

/** XState names a timer `xstate.after.<delay>.<id of the state>`; the state is told beside it. */
function delayOf(timer: string, machine: string): string {
  const delay = timer.replace(/^xstate\.after\./, '');
  const stateAt = `${delay}.`.indexOf(`.${machine}.`);
  return stateAt === -1 ? delay : delay.slice(0, stateAt);
}
