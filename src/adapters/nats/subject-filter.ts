/** As the server matches: `*` is any token, `>` at the end one or more. */
export function matches(filter: string, subject: string): boolean {
  const pattern = filter.split('.');
  const tokens = subject.split('.');
  const rest = pattern.at(-1) === '>' ? pattern.length - 1 : undefined;
  if (rest === undefined ? tokens.length !== pattern.length : tokens.length <= rest) return false;
  return pattern.slice(0, rest).every((token, at) => token === '*' || token === tokens[at]);
}
