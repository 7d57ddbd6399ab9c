import { describe, expect, it } from 'vitest';
import {
  codePointLength,
  decimalInteger,
  isWhiteSpace,
  joinWords,
  splitLines,
  strip,
  WHITE_SPACE,
} from '../../src/knowledge/python-text.ts';

/** Contracts §4.5, spelled out. */
const PYTHON_WHITE_SPACE = [
  0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x1c, 0x1d, 0x1e, 0x1f, 0x20, 0x85, 0xa0, 0x1680, 0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005, 0x2006,
  0x2007, 0x2008, 0x2009, 0x200a, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000,
];

describe('white space', () => {
  it('is what Python strips and splits at, nothing more and nothing less', () => {
    const inClass = new RegExp(`[${WHITE_SPACE}]`);
    for (let codeUnit = 0; codeUnit < 0x10000; codeUnit++) {
      const expected = PYTHON_WHITE_SPACE.includes(codeUnit);
      if (isWhiteSpace(codeUnit) !== expected) expect.fail(`isWhiteSpace(${codeUnit.toString(16)})`);
      if (inClass.test(String.fromCharCode(codeUnit)) !== expected) expect.fail(`WHITE_SPACE and ${codeUnit.toString(16)}`);
    }
  });
  it('is stripped from both ends and kept inside', () => expect(strip('\u0085\u001f a \u00a0b\u3000\n')).toBe('a \u00a0b'));
  it('leaves a byte order mark and a zero width space alone', () => expect(strip('\ufeffa\u200b')).toBe('\ufeffa\u200b'));
  it('strips to nothing', () => expect(strip(' \t\n')).toBe(''));
  it('joins words with one space', () => expect(joinWords('  a\u00a0\tb\n\nc ')).toBe('a b c'));
});

describe('lines', () => {
  it.each(['\n', '\r', '\r\n', '\v', '\f', '\x1c', '\x1d', '\x1e', '\x85', '\u2028', '\u2029'])('end at %j', (lineBreak) => {
    expect(splitLines(`a${lineBreak}b`)).toEqual(['a', 'b']);
  });
  it('do not end at a unit separator', () => expect(splitLines('a\x1fb')).toEqual(['a\x1fb']));
  it('have no empty one behind a final break', () => expect(splitLines('a\n')).toEqual(['a']));
  it('have empty ones in between', () => expect(splitLines('\na\n\n')).toEqual(['', 'a', '']));
  it('are none in an empty text', () => expect(splitLines('')).toEqual([]));
});

describe('lengths', () => {
  it('count code points', () => expect(codePointLength('a😀é')).toBe(3));
  it('count half a pair as one', () => expect(codePointLength('\ud83d')).toBe(1));
  it('can be of a part', () => expect(codePointLength('😀😀😀', 2, 6)).toBe(2));
});

describe('integers', () => {
  it.each([
    ['0', 0],
    ['007', 7],
    ['٣٤', 34], // Arabic-Indic
    ['१२', 12], // Devanagari
    ['９', 9], // full width
    ['𝟎𝟗𝟘𝟡𝟢𝟫𝟬𝟵𝟶𝟿', 909090909], // five mathematical runs of ten, one behind the other
    ['9007199254740991', 2 ** 53 - 1],
    ['0000000000000000000000000000000000000000001', 1],
  ])('%s is %i', (digits, value) => expect(decimalInteger(digits)).toBe(value));
  it.each(['9007199254740992', '9007199254740993', '18446744073709551616', '9'.repeat(400)])('%s is too large', (digits) => {
    expect(decimalInteger(digits)).toBeUndefined();
  });
});
