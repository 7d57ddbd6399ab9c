import { createHash } from 'node:crypto';
import type { AnyStateMachine } from 'xstate';
import { machineShape } from './shape.ts';

/** 96 bits in base64url: short enough to read out, far beyond an accidental collision. */
const HASH_LENGTH = 16;

/**
 * SHA-256 of the structure: states, edges, names of guards, actions, delays and activities. Not of descriptions, which change nothing,
 * nor of function bodies, which cannot be compared; set the machine's `version` to tell those apart. A run records the hash it started with (invariant 9).
 */
export function definitionHash(machine: AnyStateMachine): string {
  const definition = JSON.stringify([machineShape(machine), machine.version ?? ''], (key, value) =>
    key === 'description' ? undefined : value,
  );
  return createHash('sha256').update(definition).digest('base64url').slice(0, HASH_LENGTH);
}

/** The hash of a definition that is given as such, or as its machine. */
export const hashOf = (definition: string | AnyStateMachine): string =>
  typeof definition === 'string' ? definition : definitionHash(definition);
