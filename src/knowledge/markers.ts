/** The comments that mark blocks: `<!-- aclarai:id=blk_abc123 ver=2 -->` (contracts §4.1, shared parser). */
import { decimalInteger, WHITE_SPACE } from './python-text.ts';

/** The ecosystem was renamed once. No deployment mixes the two families (contracts §1). */
export type MarkerPrefix = 'aclarai' | 'clarifai';

export interface Marker {
  /** Any run of characters but white space and `-`. */
  readonly id: string;
  /** 1 when the marker has none; undefined when it is beyond 2^53 − 1. */
  readonly version: number | undefined;
  readonly hasVersion: boolean;
  /** Offsets of the whole comment in UTF-16 code units. */
  readonly start: number;
  readonly end: number;
}

const pattern = (prefix: MarkerPrefix): RegExp =>
  new RegExp(`<!--[${WHITE_SPACE}]*${prefix}:id=([^-${WHITE_SPACE}]+)(?:[${WHITE_SPACE}]+ver=(\\p{Nd}+))?[${WHITE_SPACE}]*-->`, 'gu');
const PATTERNS = { aclarai: pattern('aclarai'), clarifai: pattern('clarifai') };

/** All markers in order of appearance. There is no Markdown awareness: those in code and front matter count too. Linear time. */
export function* findMarkers(text: string, prefix: MarkerPrefix): Generator<Marker> {
  for (const match of text.matchAll(PATTERNS[prefix])) {
    const digits = match[2];
    yield {
      id: match[1]!,
      version: digits === undefined ? 1 : decimalInteger(digits),
      hasVersion: digits !== undefined,
      start: match.index,
      end: match.index + match[0].length,
    };
  }
}
