/** Every stream, in the order it is created. */
import { commands } from './commands.stream.ts';
import { deadLetters } from './dead-letters.stream.ts';
import type { DeclaredStream } from './declared-stream.ts';
import { events } from './events.stream.ts';
import { limits } from './limits.stream.ts';

export const declaredStreams: readonly DeclaredStream[] = [events, deadLetters, commands, limits];
