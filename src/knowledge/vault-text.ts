/** From the bytes of a vault file to the text that every rule is about. */
import { VaultFileError } from './errors.ts';

// ignoreBOM means "do not treat it specially": it stays in the text as U+FEFF, as it does in Python.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Strict UTF-8 with universal newlines: CRLF and lone CR become LF (contracts §4.2).
 * @throws {VaultFileError} `not-utf-8`. Nothing is guessed: a wrong guess would be stored as a changed text.
 */
export function decodeVaultText(bytes: Uint8Array): string {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch (cause) {
    throw new VaultFileError('not-utf-8', 'is not UTF-8 text', { cause });
  }
  return text.includes('\r') ? text.replace(/\r\n?/g, '\n') : text;
}
