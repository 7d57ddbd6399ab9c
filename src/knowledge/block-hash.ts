/** The hash that decides whether a block has changed: `Block.hash` (contracts §5.1). */
import { hash } from 'node:crypto';
import { joinWords } from './python-text.ts';

/** SHA-256 in lower-case hex of the text with every run of white space as one space, so that reflowed text counts as unchanged. */
export const blockHash = (semanticText: string): string => hash('sha256', joinWords(semanticText), 'hex');
