/**
 * Whether a consumer with that filter delivers what is on that subject: `*` is any token, `>` at the end one or more. Some servers deliver
 * nothing whose subject has a wildcard in it.
 */
export function matches(filter: string, subject: string): boolean {
  const pattern = filter.split('.');
  const tokens = subject.split('.');
  if (tokens.includes('*') || tokens.includes('>')) return false;
  const rest = pattern.at(-1) === '>' ? pattern.length - 1 : undefined;
  if (rest === undefined ? tokens.length !== pattern.length : tokens.length <= rest) return false;
  return pattern.slice(0, rest).every((token, at) => token === '*' || token === tokens[at]);
}
