/**
 * The blocks of a vault file, exactly as the shared parser of the Python services finds them (contracts §4.2). Their texts and hashes
 * are what the graph holds, so a difference of one character would make every block look changed.
 */

import { blockHash } from './block-hash.ts';
import { VaultFileError } from './errors.ts';
import { findMarkers, type Marker, type MarkerPrefix } from './markers.ts';
import { codePointLength, skipWhiteSpace, skipWhiteSpaceBackwards } from './python-text.ts';

export interface VaultBlock {
  readonly id: string;
  /** Undefined: beyond 2^53 − 1, more than our stores hold exactly. */
  readonly version: number | undefined;
  readonly semanticText: string;
  readonly contentHash: string;
  /** Offset of the marker's `<`, in code points. */
  readonly commentPosition: number;
}

/** A marker with no more than this behind it, in code points, its anchor included, stands for the whole file. */
const TAIL_LENGTH = 10;
/**
 * Texts of all blocks of one file, in UTF-16 code units. Every marker on a line repeats the line so far, so a line of nothing but
 * markers would need the square of its length. Honest files stay far below: their texts add up to about the file, twice at most.
 */
const MAX_TEXT_LENGTH = 64 * 1024 * 1024;

/**
 * Blocks in order of appearance; duplicated ids are all returned and blocks without text are not. Linear time, because the search
 * for a block's line never goes back beyond the marker before it.
 *
 * @param text Decoded, with universal newlines.
 * @throws {VaultFileError} `too-large`: see {@link MAX_TEXT_LENGTH}.
 */
export function* parseBlocks(text: string, prefix: MarkerPrefix): Generator<VaultBlock> {
  const fileText = skipWhiteSpace(text, 0, text.length);
  const fileTextEnd = skipWhiteSpaceBackwards(text, fileText, text.length);
  let lineText = fileText; // where the text of the line being read begins
  let cursor = 0; // behind the previous marker
  let commentPosition = 0;
  let totalLength = 0;

  for (const marker of findMarkers(text, prefix)) {
    commentPosition += codePointLength(text, cursor, marker.start);
    // Behind the last visible character before the marker: it is on the marker's line, or on the nearest earlier one that is not blank.
    const end = skipWhiteSpaceBackwards(text, cursor, marker.start);
    lineText = lineTextAt(text, cursor, end, lineText);
    const start = isFileLevel(text, marker, fileTextEnd) ? fileText : lineText;
    if (start < end) {
      const semanticText = text.slice(start, end);
      totalLength += semanticText.length;
      if (totalLength > MAX_TEXT_LENGTH) throw new VaultFileError('too-large', `has blocks of more than ${MAX_TEXT_LENGTH} characters`);
      yield { id: marker.id, version: marker.version, semanticText, contentHash: blockHash(semanticText), commentPosition };
    }
    lineText = lineTextAt(text, end, marker.end, lineText);
    commentPosition += codePointLength(text, marker.start, marker.end);
    cursor = marker.end;
  }
}

/** Moves on from `from` to `to`: where the text of the line at `to` begins, given the same of the line at `from`. */
function lineTextAt(text: string, from: number, to: number, atFrom: number): number {
  const lineBreak = text.slice(from, to).lastIndexOf('\n');
  return lineBreak === -1 ? atFrom : skipWhiteSpace(text, from + lineBreak + 1, to);
}

/** The tail rule. The comment itself ends in `>`, so only what stands behind it is trimmed and counted. */
function isFileLevel(text: string, marker: Marker, textEnd: number): boolean {
  const tail = textEnd - marker.end;
  if (tail > 2 * TAIL_LENGTH) return false; // a code point has two code units at most
  return codePointLength(text, marker.end, textEnd) <= TAIL_LENGTH;
}
