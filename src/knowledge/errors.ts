import { AlmanacError, TerminalError } from '../domain/errors.ts';

/** There is no vault where the settings say. Only a person can repair that. */
export class VaultNotFoundError extends TerminalError {
  override readonly code = 'VAULT_NOT_FOUND';
  readonly path: string;
  readonly setting: string;
  constructor(path: string, setting: string, problem: string, options?: ErrorOptions) {
    super(`${path} ${problem}: set ${setting} to the right folder, or mount the vault there`, options);
    this.path = path;
    this.setting = setting;
  }
}

/** Why one file of a vault cannot be read. */
export type VaultFileProblem = 'vanished' | 'unreadable' | 'not-a-file' | 'not-utf-8' | 'too-large' | 'outside-vault';

/** One file of the vault cannot be read. Count it and go on with the next. */
export class VaultFileError extends AlmanacError {
  readonly code = 'VAULT_FILE_UNREADABLE';
  readonly problem: VaultFileProblem;
  constructor(problem: VaultFileProblem, detail: string, options?: ErrorOptions) {
    super(detail, options);
    this.problem = problem;
  }
}

/** Another holder of the run has moved its checkpoint: this one has lost the lease. Nothing was written. Stop; do not try again. */
export class CheckpointConflictError extends TerminalError {
  override readonly code = 'CHECKPOINT_CONFLICT';
  readonly key: string;
  readonly expected: number;
  constructor(key: string, expected: number) {
    super(`checkpoint ${key} has moved past version ${expected}: another process has taken the run over`);
    this.key = key;
    this.expected = expected;
  }
}

/** The graph's file cannot be used as it is. Only a person can repair that. */
export class GraphFileError extends TerminalError {
  override readonly code = 'GRAPH_FILE_UNUSABLE';
  readonly path: string;
  readonly problem: 'corrupt' | 'unwritable' | 'newer' | 'foreign';
  constructor(path: string, problem: GraphFileError['problem'], detail: string, options?: ErrorOptions) {
    super(`graph file ${path}: ${detail}`, options);
    this.path = path;
    this.problem = problem;
  }
}

/** Other processes kept the graph locked for too long. Nothing was written; try again later. */
export class GraphBusyError extends AlmanacError {
  readonly code = 'GRAPH_BUSY';
  constructor(path: string, waitedMs: number, options?: ErrorOptions) {
    super(`graph file ${path} stayed locked by other processes for ${waitedMs} ms`, options);
  }
}
