/** The cause first: it is the code that threw. */
export function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause, stack = error.message } = error;
  return cause instanceof Error ? `${stackOf(cause)}\n${stack}` : stack;
}
