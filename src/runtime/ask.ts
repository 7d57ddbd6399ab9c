/** Sends a command with a place for the answer, and waits for it: not for ever, because the command is stored and somebody may come later. */
import type { Instant, JobTypeId, RunId } from '../domain/ids.ts';
import type { Clock, ReplyBox } from './ports.ts';

export interface Question<Answer> {
  readonly jobType: JobTypeId;
  readonly runId: RunId;
  /** 0: not at all. */
  readonly timeoutMs: number;
  readonly send: (replyTo: string) => Promise<void>;
  /** @param over Aborted when nobody waits any more. */
  readonly answer: (replies: ReturnType<ReplyBox['open']>, over: AbortSignal) => Promise<Answer>;
  readonly refusalOf: (code: string, reason: string) => Error;
}

/** Where progress of a run would be told: schedules have none. */
export const ABOUT_NO_RUN = { jobType: 'schedule' as JobTypeId, runId: 'none' as RunId };

/** Undefined: no answer in time. @throws what `refusalOf` makes of a refusal, and what `send` throws. */
export async function ask<Answer>(
  { replies, clock }: { readonly replies: ReplyBox; readonly clock: Clock },
  { jobType, runId, timeoutMs, send, answer, refusalOf }: Question<Answer>,
): Promise<Answer | undefined> {
  const answers = replies.open(jobType, runId, () => {});
  const done = new AbortController();
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  let cancel: (() => void) | undefined;
  try {
    await send(answers.address);
    cancel = clock.wakeAt((clock.now() + timeoutMs) as Instant, () => resolve(undefined));
    const refused = answers.rejection.then(({ code, reason }) => {
      throw refusalOf(code, reason);
    });
    return await Promise.race([late, refused, ...(timeoutMs > 0 ? [answer(answers, done.signal)] : [])]);
  } finally {
    cancel?.();
    done.abort();
    answers.close();
  }
}
