/** What each type of event may say and do. A new type is a line here. */
import type { LoggedEvent } from '../evidence.ts';

export interface EventKind {
  readonly at: 'first' | 'later';
  /** Whether the statechart heard something: of its beginning, or of what happened. Otherwise it was taken over as it was, or mapped. */
  readonly hears: 'the beginning' | 'what happened' | false;
  /** Without having heard anything, the snapshot stays what it is, to the byte. */
  readonly mapped?: true;
  /** Who writes it holds the run from then on. */
  readonly takesOver: boolean;
  readonly final: 'always' | 'never' | 'perhaps';
}

export const EVENT_KINDS: Readonly<Record<string, EventKind>> = {
  'almanac.run.started': { at: 'first', hears: 'the beginning', takesOver: true, final: 'perhaps' },
  'almanac.run.restarted': { at: 'later', hears: 'the beginning', takesOver: true, final: 'perhaps' },
  'almanac.run.transitioned': { at: 'later', hears: 'what happened', takesOver: false, final: 'never' },
  'almanac.run.resumed': { at: 'later', hears: false, takesOver: true, final: 'never' },
  'almanac.run.adopted': { at: 'later', hears: false, mapped: true, takesOver: true, final: 'never' },
  'almanac.run.finished': { at: 'later', hears: 'what happened', takesOver: false, final: 'always' },
};

export type CauseKind = 'activity' | 'timer' | 'signal' | 'holder';

/** A signal is written by whoever receives it, with the mark of the run's holder; it changes nothing about who holds the run. */
export function causeKind({ type, data: { cause } }: LoggedEvent): CauseKind {
  if ('activity' in cause) return 'activity';
  if ('timer' in cause) return 'timer';
  return EVENT_KINDS[type]?.takesOver ? 'holder' : 'signal';
}
