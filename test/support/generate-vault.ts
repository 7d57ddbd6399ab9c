/** A vault of any size, the same for the same arguments, in the layouts that the ClarifAI writers use (contracts §3). */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { seededRandom } from '../../src/domain/statechart/environment.ts';

export interface GeneratedVault {
  readonly files: number;
  readonly blocksPerFile: number;
  readonly seed: string;
}

const WORDS =
  'graph vault block concept nightly import queue worker retry summary claim marker anchor index vector schedule drift merge export signal latency budget review naïve Größe 概念'.split(
    ' ',
  );
const SPEAKERS = ['Mara', 'Otto', 'Ines', 'Jun'];
const FILES_PER_FOLDER = 200;

/** Of ten files, eight are conversations, one is a summary, one a concept page. @returns Paths below `root`, in the order written. */
export function generateVault(root: string, { files, blocksPerFile, seed }: GeneratedVault): string[] {
  const random = seededRandom(seed);
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)]!;
  const sentence = (): string => Array.from({ length: 8 + Math.floor(random() * 16) }, () => pick(WORDS)).join(' ');
  const paths: string[] = [];
  const folders = new Set<string>();
  let nextId = 0;

  for (let index = 0; index < files; index++) {
    const kind = index % 10;
    const tier = kind === 8 ? 'summaries' : kind === 9 ? 'concepts' : 'conversations';
    const folder = `${tier}/${String(Math.floor(index / FILES_PER_FOLDER)).padStart(4, '0')}`;
    const path = `${folder}/${kind === 9 ? `Concept_${index}` : `page-${String(index).padStart(7, '0')}`}.md`;
    const blocks = Array.from({ length: blocksPerFile }, () => {
      const id = `${kind === 8 ? 'clm' : 'blk'}_${(nextId++).toString(36).padStart(8, '0')}`;
      const speaker = tier === 'conversations' ? `${pick(SPEAKERS)}: ` : '- ';
      const link = tier === 'summaries' ? ` [[Concept_${index + 1 < files ? index + 1 : index}]]` : '';
      return `${speaker}${sentence()}.${link}\n<!-- aclarai:id=${id} ver=1 -->\n^${id}\n`;
    });
    if (!folders.has(folder)) mkdirSync(join(root, folder), { recursive: true });
    folders.add(folder);
    writeFileSync(join(root, path), `<!-- aclarai:title=${pick(WORDS)} -->\n\n${blocks.join('\n')}`);
    paths.push(path);
  }
  return paths;
}
