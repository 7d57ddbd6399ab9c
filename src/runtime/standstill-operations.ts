/** What people can ask of all schedules at once, and have done to them. */
import { commandErrorOf } from '../domain/errors.ts';
import { type ControlCommand, parseControlCommand } from '../domain/schedule/control-command.ts';
import { ABOUT_NO_RUN, ask } from './ask.ts';
import type { Clock, CommandSender, ReplyBox, StandstillLog } from './ports.ts';
import type { ScheduleRequest } from './schedule-operations.ts';
import { type StandstillView, viewOfStandstill } from './schedule-view.ts';

export interface StandstillOperationsOptions {
  readonly standstills: Pick<StandstillLog, 'last'>;
  readonly commands: Pick<CommandSender, 'control'>;
  readonly replies: ReplyBox;
  readonly clock: Clock;
}
/** `almanac pause -o json` and `almanac resume -o json`. */
export interface ControlledSchedules {
  readonly status: 'active' | 'paused';
  readonly standstill: StandstillView | null;
  /** False: the command is stored, and is carried out as soon as a process is there. */
  readonly answered: boolean;
}

export class StandstillOperations {
  readonly #options: StandstillOperationsOptions;

  constructor(options: StandstillOperationsOptions) {
    this.#options = options;
  }

  /** Where a person has done it already, that stays as it is. @throws {InvalidCommandError} The note is too long. */
  pause(note: string | undefined, request: ScheduleRequest): Promise<ControlledSchedules> {
    return this.#send({ do: 'pause', ...(note && { note }), actor: request.actor }, request);
  }

  /** They stay paused as long as a pause file is there. */
  resume(request: ScheduleRequest): Promise<ControlledSchedules> {
    return this.#send({ do: 'resume', actor: request.actor }, request);
  }

  async #send(command: ControlCommand, { timeoutMs }: ScheduleRequest): Promise<ControlledSchedules> {
    const { commands, standstills } = this.#options;
    parseControlCommand(Buffer.from(JSON.stringify(command)));
    const answer = await ask(this.#options, {
      ...ABOUT_NO_RUN,
      timeoutMs,
      send: (replyTo) => commands.control(command, { replyTo }),
      answer: ({ acceptance }) => acceptance,
      refusalOf: commandErrorOf,
    });
    const { now } = (await standstills.last()).state;
    return { status: now === undefined ? 'active' : 'paused', standstill: viewOfStandstill(now), answered: answer !== undefined };
  }
}
