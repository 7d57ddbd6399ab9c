/** The parser and hashes of the Python services, case by case: what they answered is what we must answer (contracts §17). */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseBlocks } from '../../src/knowledge/blocks.ts';
import { conceptHash, extractConceptText } from '../../src/knowledge/concept-text.ts';
import { findMarkers, type MarkerPrefix } from '../../src/knowledge/markers.ts';
import { decodeVaultText } from '../../src/knowledge/vault-text.ts';

interface GoldenBlock {
  id: string;
  version: number;
  semanticText: string;
  contentHash: string;
  commentPosition: number;
  commentPositionUtf16: number;
}
interface GoldenCase {
  name: string;
  prefix: MarkerPrefix;
  markdown: string;
  textAsRead?: string;
  blocks: GoldenBlock[];
  blocksFromRawText?: GoldenBlock[];
  conceptSemanticText?: string;
  conceptHash?: string;
}
const golden: { cases: GoldenCase[] } = JSON.parse(readFileSync(new URL('../golden/vault-blocks.golden.json', import.meta.url), 'utf8'));

const withoutUtf16 = (blocks: GoldenBlock[]) => blocks.map(({ commentPositionUtf16: _, ...block }) => block);
const parse = (text: string, prefix: MarkerPrefix) => [...parseBlocks(text, prefix)];

it('has cases of both name families', () => {
  expect(new Set(golden.cases.map((each) => each.prefix))).toEqual(new Set(['aclarai', 'clarifai']));
  expect(golden.cases.length).toBeGreaterThan(50);
});

describe.each(golden.cases)('$name', ({ prefix, markdown, textAsRead, blocks, blocksFromRawText, ...concept }) => {
  const text = decodeVaultText(Buffer.from(markdown, 'utf8'));

  it('is read with the same newlines', () => expect(text).toBe(textAsRead ?? markdown));
  it('has the same blocks', () => expect(parse(text, prefix)).toEqual(withoutUtf16(blocks)));
  it('has its markers at the same offsets', () => {
    const starts = [...findMarkers(text, prefix)].map((marker) => marker.start);
    for (const block of blocks) expect(starts).toContain(block.commentPositionUtf16);
  });
  if (blocksFromRawText !== undefined) {
    it('has the same blocks when newlines are left alone', () => {
      expect(parse(markdown, prefix)).toEqual(withoutUtf16(blocksFromRawText));
    });
  }
  if (concept.conceptSemanticText !== undefined) {
    it('says the same as a concept', () => {
      const conceptText = extractConceptText(text, prefix);
      expect(conceptText).toBe(concept.conceptSemanticText);
      expect(conceptHash(conceptText)).toBe(concept.conceptHash);
    });
  }
});
