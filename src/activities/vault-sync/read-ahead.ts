/** Reading the files of a listing in order, a few at a time: the disk works while we parse. */
import { VaultFileError } from '../../knowledge/errors.ts';
import type { VaultFile, VaultFiles } from '../../knowledge/ports.ts';

export type ReadFile = { readonly file: VaultFile; readonly text: string } | { readonly file: VaultFile; readonly error: VaultFileError };

/** Few, because a file may have megabytes: this bounds memory. As many as Node has threads for files. */
const FILES_AT_ONCE = 4;

/** Every file in the order given, as text or as the reason why not. */
export async function* readAhead(vault: VaultFiles, files: readonly VaultFile[], signal: AbortSignal): AsyncGenerator<ReadFile> {
  const reading: Promise<ReadFile>[] = [];
  let next = 0;
  for (;;) {
    signal.throwIfAborted();
    while (reading.length < FILES_AT_ONCE && next < files.length) reading.push(read(vault, files[next++]!));
    const first = reading.shift();
    if (first === undefined) return;
    yield await first;
  }
}

/** Never rejects for what a file can be guilty of, so a reading that nobody waits for any more does no harm. */
async function read(vault: VaultFiles, file: VaultFile): Promise<ReadFile> {
  try {
    return { file, text: await vault.read(file) };
  } catch (error) {
    if (error instanceof VaultFileError) return { file, error };
    const message = error instanceof Error ? error.message : String(error);
    return { file, error: new VaultFileError('unreadable', message, { cause: error }) };
  }
}
