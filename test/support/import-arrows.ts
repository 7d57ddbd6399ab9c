/** Which part of the program imports what, and which of these arrows DESIGN §8 allows. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

export interface Arrow {
  /** File, from the root of the repository. */
  readonly from: string;
  /** The same, or the name of a package or of a module of Node. */
  readonly to: string;
  /** Nothing of it is left when the program runs. */
  readonly typeOnly: boolean;
}

const IMPORT = /(?:^|[;\n])\s*(?:import|export)\s+(type\s)?(?:[^'"();]*?\sfrom\s*)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/g;

/** Every static import, re-export and `import()` of literal text. */
export function arrowsOf(file: string, source: string): Arrow[] {
  return [...withoutComments(source).matchAll(IMPORT)].map(([, type, named, dynamic]) => {
    const target = (named ?? dynamic)!;
    const to = target.startsWith('.') ? join(dirname(file), target) : target;
    return { from: file, to, typeOnly: type !== undefined };
  });
}

/** Comments may show code. What looks like one inside of a text is cut off too, and texts hold no imports. */
export const withoutComments = (source: string): string => source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|[^:'"`])\/\/.*$/gm, '$1');

const EDGE = ['src/app.ts', 'src/config.ts', 'src/bridge', 'src/activities', 'src/adapters', 'src/runtime', 'src/knowledge', 'src/domain'];

/** What the composition root puts together. */
const COMPOSED = [
  'src/config.ts',
  'src/bridge',
  'src/activities',
  'src/adapters',
  'src/runtime',
  'src/knowledge',
  'src/domain',
  'machines',
  'streams',
];

/** Part → the parts it may import besides itself. The longest name that fits a file is its part. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'src/domain': [],
  'src/knowledge': ['src/domain'],
  'src/runtime': ['src/domain'],
  // The registry: jobs made of steps bring their code along.
  'src/activities/index.ts': ['src/activities', 'machines', 'src/runtime', 'src/domain'],
  'src/activities': ['src/knowledge', 'src/runtime', 'src/domain'],
  'src/bridge': ['src/adapters/rabbitmq', 'src/runtime', 'src/knowledge', 'src/domain', 'streams'],
  // One folder a neighbour: what one says about its neighbour must not depend on another.
  'src/adapters': ['src/runtime', 'src/knowledge', 'src/domain', 'streams'],
  'src/config.ts': ['src/domain'],
  'src/app.ts': ['src/app-schedules.ts', ...COMPOSED],
  'src/app-schedules.ts': COMPOSED,
  'src/testing': ['src/runtime', 'src/domain'],
  'src/cli': [...EDGE, 'machines', 'package.json'],
  'src/web': [...EDGE, 'machines', 'package.json'],
  machines: ['src/domain'],
  streams: ['src/domain'],
};
/** Files with one freedom more than their part has. */
const MAY_USE_TYPES_OF: Readonly<Record<string, readonly string[]>> = { 'src/activities': ['machines'] };

/** Part → packages and modules of Node; absent: any. A part that is pure names what it may use. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  'src/domain': ['zod', 'xstate'],
  'src/domain/schedule/cron-calendar.ts': ['croner'],
  'src/domain/hash-chain.ts': ['node:crypto'],
  'src/domain/statechart/definition-hash.ts': ['node:crypto'],
  'src/knowledge': ['zod', 'node:crypto'],
  'src/runtime': ['zod', 'node:util'],
  'src/activities': ['zod', 'node:timers/promises'],
  'src/testing': [],
  machines: ['zod', 'xstate'],
  streams: [],
};
/** Whose client libraries these are. Types may travel, to the file that puts everything together. */
const NEIGHBOUR_ONLY: readonly (readonly [packages: RegExp, parts: readonly string[]])[] = [
  [/^@nats-io\//, ['src/adapters/nats', 'src/adapters/system/nats-server']],
  [/^node:sqlite$/, ['src/adapters/sqlite', 'src/adapters/system/nats-server/kernel-lock.ts']],
  [/^@opentelemetry\//, ['src/adapters/telemetry']],
  [/^cockatiel$/, ['src/adapters/resilience']],
  [/^piscina$/, ['src/adapters/system']],
  [/^commander$/, ['src/cli']],
];

const isWithin = (path: string, part: string): boolean => path === part || path.startsWith(`${part}/`);

function partOf(path: string): string | undefined {
  const adapter = /^src\/adapters\/[^/]+/.exec(path)?.[0];
  return adapter ?? Object.keys(MAY_IMPORT).find((part) => isWithin(path, part));
}

/** Undefined when the arrow is allowed, otherwise what is wrong with it. */
export function wrongWith({ from, to, typeOnly }: Arrow): string | undefined {
  const isPackage = /^(node:|@?[a-z])/.test(to) && !/^(src|machines|streams|test|package\.json)(\/|$)/.test(to);
  const problem = isPackage ? packageProblem(from, to, typeOnly) : partProblem(from, to, typeOnly);
  return problem && `${from} imports ${to}: ${problem}`;
}

function partProblem(from: string, to: string, typeOnly: boolean): string | undefined {
  const part = partOf(from);
  if (part === undefined) return 'this file belongs to no part; see DESIGN §8';
  const rule = MAY_IMPORT[part] ?? MAY_IMPORT['src/adapters']!;
  if ([part, ...rule].some((allowed) => isWithin(to, allowed))) return undefined;
  if (typeOnly && MAY_USE_TYPES_OF[part]?.some((allowed) => isWithin(to, allowed))) return undefined;
  return `${part} may import ${[...rule].join(', ') || 'only itself'}`;
}

function packageProblem(from: string, to: string, typeOnly: boolean): string | undefined {
  const name = to.startsWith('@') || to.startsWith('node:') ? to : to.split('/')[0]!;
  for (const [packages, parts] of NEIGHBOUR_ONLY) {
    const composes = typeOnly && (from === 'src/app.ts' || from === 'src/app-schedules.ts' || isWithin(from, 'streams'));
    if (packages.test(name)) return composes || parts.some((part) => isWithin(from, part)) ? undefined : `only ${parts.join(', ')} may`;
  }
  const rules = Object.entries(PACKAGES).filter(([part]) => isWithin(from, part));
  if (rules.length === 0 || rules.some(([, allowed]) => allowed.includes(name))) return undefined;
  return `here may be imported: ${rules.flatMap(([, allowed]) => allowed).join(', ') || 'no package'}`;
}

/** Files below a folder, from the root of the repository. */
export function filesBelow(root: string, folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

export const sourceOf = (root: string, file: string): string => readFileSync(join(root, file), 'utf8');
