/** What a rule has against a machine. Errors forbid registering it. */
export interface Finding {
  readonly level: 'error' | 'warning';
  readonly rule: string;
  /** The state, and where in it. */
  readonly at: string;
  /** Why, and what to do instead. */
  readonly detail: string;
}

export const error = (rule: string, at: string, detail: string): Finding => ({ level: 'error', rule, at, detail });
export const warning = (rule: string, at: string, detail: string): Finding => ({ level: 'warning', rule, at, detail });
