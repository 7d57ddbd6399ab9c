/** What each type of event may say and do. A new type is a line here. */
import type { LoggedEvent } from '../evidence.ts';

export interface EventKind {
  readonly at: 'first' | 'later';
  /** Whether the statechart heard something. Otherwise the snapshot stays what it is, to the byte. */
  readonly hears: boolean;
  /** Who writes it holds the run from then on. */
  readonly takesOver: boolean;
  readonly final: 'always' | 'never' | 'perhaps';
}

export const EVENT_KINDS: Readonly<Record<string, EventKind>> = {
  'almanac.run.started': { at: 'first', hears: true, takesOver: true, final: 'perhaps' },
  'almanac.run.transitioned': { at: 'later', hears: true, takesOver: false, final: 'never' },
  'almanac.run.resumed': { at: 'later', hears: false, takesOver: true, final: 'never' },
  'almanac.run.finished': { at: 'later', hears: true, takesOver: false, final: 'always' },
};

export type CauseKind = 'activity' | 'timer' | 'signal' | 'holder';

/** A signal is written by whoever receives it, with the mark of the run's holder; it changes nothing about who holds the run. */
export function causeKind({ type, data: { cause } }: LoggedEvent): CauseKind {
  if ('activity' in cause) return 'activity';
  if ('timer' in cause) return 'timer';
  return EVENT_KINDS[type]?.takesOver ? 'holder' : 'signal';
}
