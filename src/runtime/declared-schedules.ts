/** Schedules that stand in the code, next to their statecharts, as far as nobody has changed them by command. */
import type { ScheduleId } from '../domain/ids.ts';
import { changeSchedule } from '../domain/schedule/change.ts';
import type { ScheduleState } from '../domain/schedule/schedule.ts';
import type { ScheduleCommand, SpecChange } from '../domain/schedule/schedule-command.ts';
import type { ScheduleBook } from './schedule-book.ts';
import type { ScheduleWriter } from './schedule-writer.ts';

export interface DeclaredSchedule {
  readonly id: ScheduleId;
  readonly spec: SpecChange;
  /** Which setting switches it off; absent: it is on. */
  readonly off?: string;
}

export interface DeclaringParts {
  readonly book: ScheduleBook;
  readonly writer: ScheduleWriter;
  /** IANA name, for schedules that name none. */
  readonly timeZone: string;
}

type Declaration = Exclude<ScheduleCommand, { do: 'trigger' | 'backfill' }>;
const SETTINGS = { who: 'settings' };

/** Makes the log say what the code says. Safe to do by many processes at once. What the code says no more is deleted: no ghost fires. */
export async function declareSchedules(declared: readonly DeclaredSchedule[], parts: DeclaringParts): Promise<void> {
  for (const schedule of declared) {
    await carryOut(schedule.id, ({ spec }) => ({ do: 'create', spec, actor: SETTINGS }), parts, schedule);
    await carryOut(schedule.id, switchOf, parts, schedule);
  }
  const named = new Set(declared.map(({ id }) => id));
  for (const { state } of [...parts.book.all()]) {
    if (state.owner === 'code' && state.status !== 'deleted' && !named.has(state.id)) {
      await carryOut(state.id, () => ({ do: 'delete', actor: { ...SETTINGS, why: 'the code does not declare it any more' } }), parts);
    }
  }
}

async function carryOut(
  id: ScheduleId,
  wanted: (declared: DeclaredSchedule, state: ScheduleState | undefined) => Declaration | undefined,
  { writer, timeZone }: DeclaringParts,
  declared: DeclaredSchedule = { id, spec: {} },
): Promise<void> {
  await writer.write(id, (state, facts) => {
    if (state?.owner === 'operator' && wanted !== switchOf) return undefined; // a person's change, and a person's deletion, stay
    const command = existing(wanted(declared, state), state);
    const change = command && changeSchedule(state, command, { ...facts, id, timeZone, owner: 'code', triggeredRun: '' as never });
    return change && { ...change, actor: command.actor };
  });
}

/** What is there already is brought up to date. */
function existing(command: Declaration | undefined, state: ScheduleState | undefined): Declaration | undefined {
  if (command?.do !== 'create' || state === undefined || state.status === 'deleted') return command;
  return { do: 'update', spec: command.spec, actor: command.actor };
}

/** Off: paused, with a note that says why. On again: resumed, unless a person has paused it. */
function switchOf({ off }: DeclaredSchedule, state: ScheduleState | undefined): Declaration | undefined {
  if (off !== undefined && state?.status === 'active') return { do: 'pause', note: off, actor: SETTINGS };
  if (off === undefined && state?.status === 'paused' && state.pause?.actor?.who === SETTINGS.who) return { do: 'resume', actor: SETTINGS };
  return undefined;
}
