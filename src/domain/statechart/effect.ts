/** What a statechart asks of the world. Data only: nothing has happened yet, and nothing may before the event is stored (invariant 3). */
import type { AnyEventObject } from 'xstate';
import type { Instant } from '../ids.ts';
import type { Json } from './json.ts';

export type Effect =
  | {
      readonly type: 'startActivity';
      readonly id: string;
      readonly visit: number;
      readonly src: string;
      readonly input?: Json;
      readonly systemId?: string;
    }
  | { readonly type: 'stopActivity'; readonly id: string; readonly visit: number; readonly src: string }
  | {
      readonly type: 'armTimer';
      readonly id: string;
      readonly visit: number;
      readonly dueAt: Instant;
      readonly event: AnyEventObject;
      readonly to?: string;
      readonly toVisit?: number;
    }
  | { readonly type: 'cancelTimer'; readonly id: string; readonly visit: number }
  /** `to` is an actor's id, {@link SELF} or {@link PARENT}. */
  | { readonly type: 'send'; readonly to: string; readonly visit?: number; readonly event: AnyEventObject }
  | { readonly type: 'emit'; readonly event: AnyEventObject }
  | { readonly type: 'log'; readonly label?: string; readonly value: Json }
  /** A custom action. Only name and params survive a restart, so it must take all it needs through its params. */
  | { readonly type: 'runAction'; readonly name: string; readonly params?: Json; readonly event: AnyEventObject };

/** Addresses of the statechart itself and of whoever started it. `#` cannot begin an id of its own actors by convention of XState. */
export const SELF = '#self';
export const PARENT = '#parent';
