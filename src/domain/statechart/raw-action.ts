/**
 * The actions XState lists, parsed and not cast: its declared types leave out cancel, stop and an invoke's input, and a new release
 * may list something this project does not know. References to actors are kept as they are, because they are told apart by identity.
 */
import type { AnyEventObject } from 'xstate';
import { z } from 'zod';

/** As much of an actor reference as is looked at. */
export interface ActorReference {
  readonly id: string;
}

export const isReference = (value: unknown): value is ActorReference => isObject(value) && typeof value.id === 'string';
const reference = z.custom<ActorReference>(isReference, 'not an actor reference');
const event = z.custom<AnyEventObject>((value) => isObject(value) && typeof value.type === 'string', 'not an event');
// Not z.number(): a delay that is NaN or infinite is refused later, where the message can name the timer.
const delayMs = z.custom<number>((value) => typeof value === 'number').optional();

const SpawnChild = z.object({
  type: z.literal('xstate.spawnChild'),
  params: z.object({
    // A function of the context counts as an id: what it gave is in the reference.
    id: z.custom<unknown>((id) => id !== undefined, 'spawnChild() needs an id'),
    src: z.string('inline logic cannot be found again after a restart: name it in setup({ actors })'),
    actorRef: z.custom<ActorReference>(isObject, 'this actor is not in setup({ actors })'),
    systemId: z.string().optional(),
    input: z.unknown(),
  }),
});
/** The parameter is the reference itself, or nothing when there was nothing to stop. */
const StopChild = z.object({ type: z.literal('xstate.stopChild'), params: reference.optional() });
const Raise = z.object({
  type: z.literal('xstate.raise'),
  params: z.object({ event, id: z.string().optional(), delay: delayMs }),
});
const Cancel = z.object({ type: z.literal('xstate.cancel'), params: z.object({ sendId: z.string() }) });
const SendTo = z.object({
  type: z.literal('xstate.sendTo'),
  params: z.object({ to: reference.optional(), event, id: z.string().optional(), delay: delayMs }),
});
const Emit = z.object({ type: z.literal('xstate.emit'), params: z.object({ event }) });
const Log = z.object({ type: z.literal('xstate.log'), params: z.object({ value: z.unknown(), label: z.string().optional() }) });

const BuiltIn = z.discriminatedUnion('type', [SpawnChild, StopChild, Raise, Cancel, SendTo, Emit, Log], {
  error: (issue) => (issue.code === 'invalid_union' ? `unknown built-in action ${JSON.stringify(typeOf(issue.input))}` : undefined),
});

const Custom = z
  .object({
    type: z.string(),
    params: z.unknown(),
    info: z.object({ event }),
    exec: z.custom<unknown>((code) => code !== undefined, 'this action is not in setup({ actions })'),
  })
  .transform(({ type, params, info }) => ({ type: 'custom' as const, name: type, params, event: info.event }));

export type RawAction = z.output<typeof BuiltIn> | z.output<typeof Custom>;

/** What one of XState's own action creators resolved to, outside of XState's list. Undefined: {@link parseRawAction} says why not. */
export function rawBuiltIn(resolved: { readonly type: string; readonly params: unknown }): RawAction | undefined {
  return BuiltIn.safeParse(resolved).data;
}

/** @throws {TypeError} XState listed something that is unknown here, or that no log can hold. The message says what and why. */
export function parseRawAction(listed: unknown): RawAction {
  const type = typeOf(listed);
  const builtIn = typeof type === 'string' && type.startsWith('xstate.');
  const parsed = builtIn ? BuiltIn.safeParse(listed) : Custom.safeParse(listed);
  if (parsed.success) return parsed.data;
  throw new TypeError(`action ${JSON.stringify(type)}: ${parsed.error.issues.map((issue) => issue.message).join('; ')}`);
}

const typeOf = (listed: unknown): unknown => (isObject(listed) ? listed.type : undefined);

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
