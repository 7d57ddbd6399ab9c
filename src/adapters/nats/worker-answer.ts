/** What a worker may say to a request (see remote-activity.ts), checked. */
import type { Msg } from '@nats-io/transport-node';
import { z } from 'zod';
import { MAX_OUTPUT_BYTES } from '../../runtime/outside.ts';

const Count = z.number().nonnegative();
/** Objects may say more: a newer worker is understood by an older Almanac. */
const Answer = z.union([
  z.object({ output: z.json() }).transform(({ output }) => ({ kind: 'output' as const, output })),
  z
    .object({
      error: z.object({
        name: z.string().min(1).optional(),
        message: z.string(),
        code: z.string().optional(),
        retryable: z.boolean().optional(),
        retryAfterMs: Count.optional(),
      }),
    })
    .transform(({ error }) => ({ kind: 'error' as const, error })),
  z
    .object({ progress: z.object({ done: Count, total: Count.optional(), note: z.string().optional() }) })
    .transform(({ progress }) => ({ kind: 'progress' as const, progress })),
  z.object({ alive: z.literal(true) }).transform(() => ({ kind: 'alive' as const })),
]);

export type WorkerAnswer =
  | z.output<typeof Answer>
  | { readonly kind: 'no worker' }
  | { readonly kind: 'too large'; readonly bytes: number }
  | { readonly kind: 'invalid'; readonly problem: string };

/** What stands around an output in an answer. */
const ENVELOPE_BYTES = 1_024;
const SHOWN_CHARACTERS = 80;

export function parseWorkerAnswer(message: Msg): WorkerAnswer {
  const bytes = message.data.length;
  if (bytes === 0 && isNoResponders(message)) return { kind: 'no worker' };
  if (bytes > MAX_OUTPUT_BYTES + ENVELOPE_BYTES) return { kind: 'too large', bytes };
  const text = message.string();
  const { data, success } = Answer.safeParse(parsed(text));
  if (success) return data;
  const shown = text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
  return { kind: 'invalid', problem: `answered ${JSON.stringify(shown)}, which has no output, error, progress or alive as README says` };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // as good as JSON of the wrong shape
  }
}

/** The server's own answer when nobody listens on a subject. */
function isNoResponders(message: Msg): boolean {
  try {
    return message.headers?.code === 503;
  } catch {
    return false; // headers that break the rules of the protocol: the library throws while it reads them
  }
}
