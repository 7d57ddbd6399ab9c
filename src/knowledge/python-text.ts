/**
 * Text as Python sees it. Ids, hashes and texts in the graph were defined by Python code, so wherever JavaScript's own notion of
 * white space, digits, lengths or lines differs, this file wins (contracts §4.5).
 */

/**
 * Python's white space for use inside a character class. Unlike JavaScript's `\s` it has U+001C to U+001F and U+0085 and lacks U+FEFF.
 */
export const WHITE_SPACE = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';

const WHITE_SPACE_RUNS = new RegExp(`[${WHITE_SPACE}]+`, 'g');
// biome-ignore lint/suspicious/noControlCharactersInRegex: to Python these are line breaks (contracts §4.5).
const LINE_BREAKS = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/;
const DECIMAL_DIGIT = /\p{Nd}/u;

export function isWhiteSpace(codeUnit: number): boolean {
  if (codeUnit <= 0x20) return (codeUnit >= 0x09 && codeUnit <= 0x0d) || codeUnit >= 0x1c;
  if (codeUnit < 0x2000) return codeUnit === 0x85 || codeUnit === 0xa0 || codeUnit === 0x1680;
  if (codeUnit <= 0x200a) return true;
  return codeUnit === 0x2028 || codeUnit === 0x2029 || codeUnit === 0x202f || codeUnit === 0x205f || codeUnit === 0x3000;
}

/** Offset of the first character in `[from, to)` that is not white space, or `to`. */
export function skipWhiteSpace(text: string, from: number, to: number): number {
  let at = from;
  while (at < to && isWhiteSpace(text.charCodeAt(at))) at++;
  return at;
}

/** Offset behind the last character in `[from, to)` that is not white space, or `from`. */
export function skipWhiteSpaceBackwards(text: string, from: number, to: number): number {
  let at = to;
  while (at > from && isWhiteSpace(text.charCodeAt(at - 1))) at--;
  return at;
}

/** `text.strip()` */
export function strip(text: string): string {
  const start = skipWhiteSpace(text, 0, text.length);
  return text.slice(start, skipWhiteSpaceBackwards(text, start, text.length));
}

/** `' '.join(text.split())` */
export function joinWords(text: string): string {
  return strip(text).replace(WHITE_SPACE_RUNS, ' ');
}

/** `text.splitlines()`: a final line break adds no empty line. */
export function splitLines(text: string): string[] {
  const lines = text.split(LINE_BREAKS);
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

/** `len(text[from:to])`: in code points, where JavaScript counts UTF-16 code units. */
export function codePointLength(text: string, from = 0, to = text.length): number {
  let length = to - from;
  for (let at = from; at < to - 1; at++) {
    const isPair = (text.charCodeAt(at) & 0xfc00) === 0xd800 && (text.charCodeAt(at + 1) & 0xfc00) === 0xdc00;
    if (isPair) {
      length--;
      at++;
    }
  }
  return length;
}

/** `int(digits)` of one or more decimal digits of any script; undefined beyond 2^53 − 1, where JavaScript stops counting exactly. */
export function decimalInteger(digits: string): number | undefined {
  let value = 0;
  for (const digit of digits) value = Math.min(value * 10 + decimalValue(digit.codePointAt(0)!), Number.MAX_SAFE_INTEGER + 1);
  return value <= Number.MAX_SAFE_INTEGER ? value : undefined;
}

/** Unicode encodes the digits of every script as whole runs of ten, zero first: the distance to the start of the run tells the value. */
function decimalValue(codePoint: number): number {
  if (codePoint <= 0x39) return codePoint - 0x30;
  let zero = codePoint;
  while (DECIMAL_DIGIT.test(String.fromCodePoint(zero - 1))) zero--;
  return (codePoint - zero) % 10;
}
