/** What a concept page says, without its bookkeeping: the text that is embedded (contracts §4.4). */
import { hash } from 'node:crypto';
import type { MarkerPrefix } from './markers.ts';
import { splitLines, strip } from './python-text.ts';

/**
 * Drops the lines that begin with a comment of ours or with an anchor; exactly `<!-- aclarai:`, one space. A line that merely ends
 * with a marker keeps it. White space inside stays, and counts.
 */
export function extractConceptText(text: string, prefix: MarkerPrefix): string {
  const kept = splitLines(text).filter((line) => {
    const content = strip(line);
    return !content.startsWith(`<!-- ${prefix}:`) && !content.startsWith('^');
  });
  return strip(kept.join('\n'));
}

/** `Concept.embedding_hash`: of the extracted text as it is, white space included (contracts §5.1). */
export const conceptHash = (conceptText: string): string => hash('sha256', conceptText, 'hex');
