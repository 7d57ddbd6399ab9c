/** Which page a wikilink means. */

/** Longest file stem of a concept page, in code points (contracts §3). */
const MAX_STEM_LENGTH = 200;
const MAX_SUBJECT_LENGTH = 180;

/** File stem of the tier 3 page of a concept: what the Python writer makes of its text (contracts §3). */
export const conceptStem = (conceptText: string): string => cleanStem(conceptText, MAX_STEM_LENGTH, 'unnamed_concept');

function cleanStem(text: string, maxLength: number, fallback: string): string {
  const clean = text.replace(/[^\p{L}\p{N}._-]+/gu, '_').replace(/_+/g, '_');
  const trimmed = clean.replace(/^_/, '').replace(/_$/, '');
  return [...trimmed].slice(0, maxLength).join('') || fallback;
}

export interface PageNames {
  /** Whether the vault has a page or an attachment that `[[target]]` leads to. */
  has(target: string): boolean;
}

/**
 * Obsidian ignores case and looks for the name anywhere in the vault, or for the end of a path. ClarifAI's own links name a concept by
 * its text and a subject as `Subject:<name>`, while their files have cleaned names: these count as found too.
 */
export function pageNames(paths: Iterable<string>): PageNames {
  const pathsByName = new Map<string, string[]>();
  for (const path of paths) {
    const key = pageKey(path);
    const name = key.slice(key.lastIndexOf('/') + 1);
    const same = pathsByName.get(name);
    if (same === undefined) pathsByName.set(name, [key]);
    else same.push(key);
  }
  return {
    has(target) {
      const key = pageKey(target);
      const name = key.slice(key.lastIndexOf('/') + 1);
      if (name === '') return true; // a heading or block of the same page
      if (pathsByName.get(name)?.some((path) => endsWithPath(path, key)) === true) return true;
      const subject = /^subject:(.*)$/s.exec(key)?.[1];
      if (subject !== undefined) return pathsByName.has(`subject_${cleanStem(subject, MAX_SUBJECT_LENGTH, '')}`);
      return pathsByName.has(conceptStem(key));
    },
  };
}

/** Lower case, without `.md` and without leading `./` or `../`. */
const pageKey = (path: string): string =>
  path
    .toLowerCase()
    .replace(/\.md$/, '')
    .replace(/^(?:\.{0,2}\/)+/, '');

const endsWithPath = (path: string, end: string): boolean => path === end || path.endsWith(`/${end}`);
