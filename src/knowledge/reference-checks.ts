/** Whether what the vault's pages say about each other and about themselves holds. Pure: findings are data, nothing is repaired. */
import { FindingCollector, type FindingReport } from './findings.ts';
import { findMarkers, type Marker, type MarkerPrefix } from './markers.ts';
import type { PageNames } from './page-names.ts';
import { codePointLength, WHITE_SPACE } from './python-text.ts';
import { findWikilinks } from './wikilinks.ts';

/** From nine characters on, the anchor line alone keeps a last block from being taken for the whole file (contracts §4.2). */
const MIN_ID_LENGTH = 9;

export interface ReferenceSummary extends FindingReport {
  readonly markers_checked: number;
  readonly links_checked: number;
}

export interface ReferenceChecks {
  /** Each file once. */
  check(file: string, text: string): void;
  summary(): ReferenceSummary;
}

export function referenceChecks(prefix: MarkerPrefix, pages: PageNames): ReferenceChecks {
  const findings = new FindingCollector();
  const firstFileOf = new Map<string, string>();
  let markersChecked = 0;
  let linksChecked = 0;

  function checkMarker(file: string, text: string, marker: Marker): void {
    const { id } = marker;
    const first = firstFileOf.get(id);
    if (first === undefined) firstFileOf.set(ownCopy(id), file);
    else findings.add({ kind: 'duplicate-id', file, id, detail: `also in ${first}; in the graph the last one wins, in every run` });
    if (id.length < 2 * MIN_ID_LENGTH && codePointLength(id) < MIN_ID_LENGTH) {
      findings.add({
        kind: 'short-id',
        file,
        id,
        detail: `has less than ${MIN_ID_LENGTH} characters: as the last block it becomes the whole file`,
      });
    }
    if (!marker.hasVersion) findings.add({ kind: 'missing-version', file, id, detail: 'has no ver=: the vault-watcher does not see it' });
    checkAnchor(file, text, marker);
  }

  function checkAnchor(file: string, text: string, { id, end }: Marker): void {
    const anchor = anchorBehind(text, end);
    if (anchor === id) return;
    if (anchor !== undefined) findings.add({ kind: 'wrong-anchor', file, id, detail: `is followed by the anchor of ${anchor}` });
    else if (!isLastText(text, end)) findings.add({ kind: 'missing-anchor', file, id, detail: 'is not followed by its anchor line' });
  }

  return {
    check(file, text) {
      for (const marker of findMarkers(text, prefix)) {
        markersChecked++;
        checkMarker(file, text, marker);
      }
      for (const [, id] of text.matchAll(DASHED[prefix])) {
        findings.add({ kind: 'dash-in-id', file, id: id!, detail: 'has a dash: the sync cannot see it, and its messages block the queue' });
      }
      for (const { target } of findWikilinks(text)) {
        linksChecked++;
        if (!pages.has(target)) findings.add({ kind: 'broken-link', file, detail: `[[${target}]] leads nowhere` });
      }
    },
    summary: () => ({ ...findings.report(), markers_checked: markersChecked, links_checked: linksChecked }),
  };
}

/** What the vault-watcher takes for a marker and the shared parser does not (contracts §4.1). The limit keeps the search linear. */
const dashed = (prefix: MarkerPrefix): RegExp =>
  new RegExp(
    `<!--[${WHITE_SPACE}]*${prefix}:id=([^-${WHITE_SPACE}]{0,200}-[^>${WHITE_SPACE}]{0,200}?)(?:[${WHITE_SPACE}]+ver=\\p{Nd}+)?[${WHITE_SPACE}]*-->`,
    'gu',
  );
const DASHED = { aclarai: dashed('aclarai'), clarifai: dashed('clarifai') };

const ANCHOR_LINE = new RegExp(`[^\\S\\n]*\\n[^\\S\\n]*\\^([^${WHITE_SPACE}]+)`, 'uy');

/** Id of the anchor at the start of the next line. */
function anchorBehind(text: string, end: number): string | undefined {
  ANCHOR_LINE.lastIndex = end;
  return ANCHOR_LINE.exec(text)?.[1];
}

/** V8 cuts long ids out of the file's text without copying: kept as they are, they would keep the text of every file in memory. */
const ownCopy = (id: string): string => Buffer.from(id).toString();

/** A file-level marker needs no anchor: nothing can follow that it could be confused with. */
function isLastText(text: string, end: number): boolean {
  VISIBLE.lastIndex = end;
  return !VISIBLE.test(text);
}
const VISIBLE = new RegExp(`[^${WHITE_SPACE}]`, 'g');
