/** Every error thrown on purpose: a class per decision a caller can make, a stable code, the facts as fields. */

export abstract class AlmanacError extends Error {
  /** Stable and documented; messages may change. */
  abstract readonly code: string;
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** Text that cannot be an id, because it would not be one token of a subject. */
export class InvalidIdError extends AlmanacError {
  readonly code = 'ID_INVALID';
  readonly kind: string;
  readonly text: string;
  constructor(kind: string, text: string) {
    super(
      `${JSON.stringify(text.slice(0, 80))} cannot be a ${kind}: use lower-case letters, digits, "-" and "_", starting with a letter or digit, at most 128`,
    );
    this.kind = kind;
    this.text = text;
  }
}

/** An activity's way to say: trying again is useless. Never retried. */
export class TerminalError extends AlmanacError {
  readonly code: string = 'TERMINAL';
  readonly retryable = false;
}
