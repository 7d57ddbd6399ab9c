import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';
import type { Source } from '../source.ts';

/** Where Debian and others put daemons; an ordinary user's PATH leaves it out. */
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/sbin'];

/** `nats-server` on PATH, all of them in order: a newer one may stand behind one that is too old. */
export const pathSource = (systemFolders: readonly string[] = SYSTEM_FOLDERS): Source => ({
  name: 'PATH',
  installs: false,
  nothing: 'no nats-server on it',
  async look({ env }) {
    const folders = (env.PATH ?? '').split(delimiter).filter(isAbsolute);
    const paths = [...new Set([...folders, ...systemFolders])].map((folder) => join(folder, 'nats-server'));
    const usable = await Promise.all(
      paths.map((path) =>
        access(path, constants.X_OK).then(
          () => true,
          () => false,
        ),
      ),
    );
    return paths.filter((_, at) => usable[at]);
  },
});
