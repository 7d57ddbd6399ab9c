/** What is wrong with a vault, as data: counted in full, listed up to a limit, so that it fits into the snapshot of a run. */
import type { VaultFileProblem } from './errors.ts';

export type FindingKind =
  | VaultFileProblem
  | 'linked-folder'
  | 'version-too-large'
  | 'duplicate-id'
  | 'dash-in-id'
  | 'short-id'
  | 'missing-version'
  | 'missing-anchor'
  | 'wrong-anchor'
  | 'broken-link';

export interface Finding {
  readonly kind: FindingKind;
  /** Path below the vault's root. */
  readonly file: string;
  /** Id of the block it is about. */
  readonly id?: string;
  /** For people. */
  readonly detail: string;
}

export interface FindingReport {
  /** All findings, by kind. */
  readonly counts: Readonly<Record<string, number>>;
  /** The first ones. */
  readonly listed: readonly Finding[];
}

const MAX_LISTED = 50;
/** In bytes of JSON. Two reports, in context and in output, stay far below the 64 KiB that a snapshot may have. */
const MAX_LISTED_BYTES = 8 * 1024;
/** In UTF-16 code units, per text. */
const MAX_TEXT_LENGTH = 160;

/** Collects findings; can go on where an earlier report stopped. */
export class FindingCollector {
  readonly #counts: Record<string, number>;
  readonly #listed: Finding[];
  #bytes: number;

  constructor(soFar: FindingReport = { counts: {}, listed: [] }) {
    this.#counts = { ...soFar.counts };
    this.#listed = [...soFar.listed];
    this.#bytes = Buffer.byteLength(JSON.stringify(this.#listed));
  }

  add(finding: Finding): void {
    this.#counts[finding.kind] = (this.#counts[finding.kind] ?? 0) + 1;
    if (this.#listed.length >= MAX_LISTED) return;
    const { kind, file, id, detail } = finding;
    const short: Finding = { kind, file: shorten(file), ...(id === undefined ? {} : { id: shorten(id) }), detail: shorten(detail) };
    const bytes = Buffer.byteLength(JSON.stringify(short)) + 1;
    if (this.#bytes + bytes > MAX_LISTED_BYTES) return;
    this.#bytes += bytes;
    this.#listed.push(short);
  }

  report(): FindingReport {
    return { counts: { ...this.#counts }, listed: [...this.#listed] };
  }
}

/** Keeps the end, because the end of a path says more than its beginning. */
const shorten = (text: string): string => (text.length <= MAX_TEXT_LENGTH ? text : `…${text.slice(1 - MAX_TEXT_LENGTH)}`.toWellFormed());
