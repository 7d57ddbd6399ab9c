/** Thrown, as is, where a remembered microstep would not be certain to do what XState does: evaluate the ordinary macrostep instead. */
export const SLOW = Symbol('slow');
