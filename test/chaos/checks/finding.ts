/** Something that must never be, and where it is. */
export interface Finding {
  /** The rule that was broken, the same words for the same rule. */
  readonly rule: string;
  /** `<jobType>/<runId>`, or what else it is about. */
  readonly where: string;
  readonly detail: string;
}
