/** Links between pages: `[[Target]]`, `[[Target#heading|shown text]]`, `![[embedded]]`. */

export interface Wikilink {
  /** Without heading and shown text; empty for a link within the page. */
  readonly target: string;
}

const WIKILINK = /\[\[([^[\]\n|#]*)(?:#[^[\]\n|]*)?(?:\|[^[\]\n]*)?\]\]/g;
const FENCE = /^ {0,3}(`{3,}|~{3,})/;
const CODE_SPAN = /`[^`]*`/g;

/** Like Obsidian, not in fenced code, code spans or comments: a shell's `[[ -f x ]]` is no link. Linear time. */
export function* findWikilinks(text: string): Generator<Wikilink> {
  if (!text.includes('[[')) return;
  let fence: string | undefined;
  for (const line of text.split('\n')) {
    const mark = FENCE.exec(line)?.[1];
    if (mark !== undefined && fence === undefined) fence = mark;
    else if (mark !== undefined && mark[0] === fence?.[0] && mark.length >= fence!.length) fence = undefined;
    if (fence !== undefined || !line.includes('[[')) continue;
    const visible = withoutComments(line).replace(CODE_SPAN, '');
    for (const match of visible.matchAll(WIKILINK)) yield { target: match[1]!.replace(/\\$/, '').trim() }; // in tables the bar is written \|
  }
}

function withoutComments(line: string): string {
  let kept = '';
  let at = 0;
  for (;;) {
    const start = line.indexOf('<!--', at);
    const end = start === -1 ? -1 : line.indexOf('-->', start + 4);
    if (end === -1) return kept + line.slice(at);
    kept += line.slice(at, start);
    at = end + 3;
  }
}
