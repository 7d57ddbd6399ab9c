/** What the rules of the vault need from the world. Adapters keep these promises; one contract suite per port holds them to it. */
import type { Instant } from '../domain/ids.ts';
import type { Finding } from './findings.ts';

/** 1: conversations. 2: summaries. 3: concepts and subjects (contracts §3). */
export type Tier = 1 | 2 | 3;

export interface VaultFile {
  readonly tier: Tier;
  /** Below the vault's root, with `/` between folders. */
  readonly path: string;
}

export interface VaultListing {
  /** Tier by tier, within a tier by the code units of the path: the same vault always gives the same order. */
  readonly files: readonly VaultFile[];
  /** Folders that could not be listed, or that lead out of the vault. Their files are missing from `files`. */
  readonly unlisted: readonly Finding[];
  /** Folders that are links inside the vault. They are not followed, as the Python services do not: their files are met where they are. */
  readonly linkedFolders: readonly Finding[];
}

export interface VaultFiles {
  /**
   * Every `*.md` (lower case) below the folders of the given tiers, hidden ones included; also things by such a name that turn out not
   * to be files when read. Tiers 2 and 3 may have no folder.
   * @throws {VaultNotFoundError} No vault, or no folder of tier 1 although asked for.
   */
  list(tiers: readonly Tier[], signal: AbortSignal): Promise<VaultListing>;
  /**
   * The decoded text, CR translated (see `decodeVaultText`).
   * @throws {VaultFileError} Whatever is wrong with this one file. Count it and go on.
   */
  read(file: VaultFile): Promise<string>;
  /**
   * Paths of all files of the vault that a wikilink could mean, outside of hidden folders, root pages and attachments included. No order.
   * @throws {VaultNotFoundError} No vault.
   */
  names(signal: AbortSignal): Promise<readonly string[]>;
  /** Absolute path as the services write it into `source_file`. */
  locate(file: VaultFile): string;
}

/** A `Block` node as we write it: always all properties (contracts §7.5). */
export interface BlockRecord {
  readonly id: string;
  readonly text: string;
  readonly hash: string;
  /** At most 2^53 − 1. */
  readonly version: number;
  readonly lastUpdated: Instant;
  readonly needsReprocessing: boolean;
  /** Absolute path. */
  readonly sourceFile: string;
}

/** A `Block` node as it is found: other services create nodes that have an id and nothing else (contracts §7.1). */
export type StoredBlock = { readonly id: string } & {
  readonly [Property in Exclude<keyof BlockRecord, 'id'>]: BlockRecord[Property] | null;
};

/** How far a piece of work has come, kept beside what it wrote. */
export interface Checkpoint {
  /** 1 for the first; each write adds one. */
  readonly version: number;
  /** JSON. */
  readonly state: unknown;
}

export interface CheckpointWrite {
  readonly key: string;
  /** Version this decision was made from; 0 when there was no checkpoint. */
  readonly expected: number;
  readonly state: unknown;
  readonly at: Instant;
}

export interface Graph {
  /** Nodes by id; ids without a node are absent. */
  readBlocks(ids: readonly string[]): Promise<ReadonlyMap<string, StoredBlock>>;
  /**
   * Creates or overwrites, in order, and moves the checkpoint, if there is one: all of it or nothing. Overwriting never asks for versions: a vault that
   * may not go back would freeze blocks for good (contracts §5.2).
   * @throws {CheckpointConflictError} The checkpoint is not at `expected`: someone else has the work now. Stop.
   */
  writeBlocks(blocks: readonly BlockRecord[], checkpoint?: CheckpointWrite): Promise<void>;
  readCheckpoint(key: string): Promise<Checkpoint | undefined>;
  /** Forgets all checkpoints whose key starts with `prefix`, and of any key those older than `before`. Safe to repeat. */
  clearCheckpoints(prefix: string, before: Instant): Promise<void>;
  /** Safe to repeat. Anything else fails afterwards. */
  close(): Promise<void>;
}
