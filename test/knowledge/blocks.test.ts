import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blockHash } from '../../src/knowledge/block-hash.ts';
import { parseBlocks } from '../../src/knowledge/blocks.ts';
import { decodeVaultText } from '../../src/knowledge/vault-text.ts';
import { slowlyParsedBlocks } from './slowly-parsed-blocks.ts';

const parse = (text: string) => [...parseBlocks(text, 'aclarai')];

/** Everything that the rules look at, in any order. */
const fragment = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('word', 'two words', '- bullet', '| a | b |', '```', '^blk_a', '😀', 'ü', '\ufeff') },
  { weight: 4, arbitrary: fc.constantFrom('\n', '\n\n', ' ', '\t', '\u0085', '\u00a0', '\u001f', '\u3000', '\r', '\r\n') },
  {
    weight: 4,
    arbitrary: fc
      .tuple(
        fc.constantFrom('', ' ', '\n', '\u00a0'),
        fc.constantFrom('blk_a', 'b', 'blk_abcdef', 'a-b', 'ü😀', 'x.y:z'),
        fc.constantFrom('', ' ver=1', '\nver=002', ' ver=٣', ' ver=', ' ver=99999999999999999999'),
        fc.constantFrom('', ' ', '\n'),
      )
      .map(([before, id, version, after]) => `<!--${before}aclarai:id=${id}${version}${after}-->`),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('<!-- aclarai:title=x -->', '<!-- clarifai:id=blk_z ver=1 -->', '<!--', '-->', '<!-- aclarai:id='),
  },
);
const page = fc.array(fragment, { maxLength: 40 }).map((fragments) => fragments.join(''));

describe('parseBlocks', () => {
  it('reads §4.2 as a plain and slow reading of it does', () => {
    fc.assert(
      fc.property(page, (text) => {
        expect(parse(text)).toEqual(slowlyParsedBlocks(text, 'aclarai'));
      }),
      { numRuns: 3000 },
    );
  });
  it('does not crash on any text', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => void parse(text)));
  });
  it('leaves a version that is too large undefined, and goes on', () => {
    const blocks = parse(
      'a <!-- aclarai:id=blk_huge01 ver=9007199254740992 -->\n^blk_huge01\n\nb <!-- aclarai:id=blk_fine01 ver=2 -->\n^blk_fine01\n',
    );
    expect(blocks.map(({ id, version }) => [id, version])).toEqual([
      ['blk_huge01', undefined],
      ['blk_fine01', 2],
    ]);
  });
});

describe('parseBlocks takes linear time', () => {
  // Each of these has 20,000 markers; searching back to the start of file or line for each would take minutes.
  const count = 20_000;
  it.each([
    ['behind many blank lines', 'text\n'.concat(`${'\n'.repeat(20)}<!-- aclarai:id=blk_a ver=1 -->`.repeat(count))],
    ['behind a sea of white space', `text${' \n'.repeat(count)}`.concat('<!-- aclarai:id=blk_a ver=1 -->\n'.repeat(count))],
    ['never closed', '<!-- aclarai:id=blk_a ver=1 '.repeat(count)],
    ['with white space without end', '<!-- \n \n \n aclarai:id=blk_a  \n  \n  ver=1  \n  \n x'.repeat(count)],
    ['with ids without end', `<!-- aclarai:id=${'a'.repeat(50)}`.repeat(count)],
  ])('with markers %s', (_, text) => {
    const from = performance.now();
    parse(text);
    expect(performance.now() - from).toBeLessThan(3000);
  });
  it('and gives up on a line of nothing but markers', () => {
    expect(() => parse(`text ${'<!-- aclarai:id=blk_a ver=1 -->'.repeat(count)}`)).toThrow(
      expect.objectContaining({ problem: 'too-large' }),
    );
  });
});

describe('blockHash', () => {
  it('does not see how a text is wrapped', () => expect(blockHash(' a\u00a0 b\nc ')).toBe(blockHash('a b c')));
  it('sees composed and decomposed accents as different', () => expect(blockHash('\u00e9')).not.toBe(blockHash('e\u0301')));
});

describe('decodeVaultText', () => {
  it('turns CRLF and lone CR into LF', () => expect(decodeVaultText(Buffer.from('a\r\nb\rc\n'))).toBe('a\nb\nc\n'));
  it('keeps a byte order mark', () => expect(decodeVaultText(Buffer.from('\ufeffa'))).toBe('\ufeffa'));
  it.each([
    ['Latin-1', [0x5a, 0x6f, 0xeb]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
    ['an overlong form', [0xc0, 0xaf]],
    ['a truncated character', [0x61, 0xe2, 0x82]],
  ])('refuses %s', (_, bytes) => {
    expect(() => decodeVaultText(Uint8Array.from(bytes))).toThrow(expect.objectContaining({ problem: 'not-utf-8' }));
  });
});
