/** Reads the imports and fails on an arrow that points the wrong way (DESIGN §8). */
import { basename, dirname, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { arrowsOf, filesBelow, sourceOf, withoutComments, wrongWith } from './support/import-arrows.ts';

const ROOT = resolve(import.meta.dirname, '..');
const FILES = ['src', 'machines', 'streams'].flatMap((folder) => filesBelow(ROOT, folder)).filter((file) => file.endsWith('.ts'));
const CODE = FILES.map((file) => ({ file, code: withoutComments(sourceOf(ROOT, file)) }));
const whoSays = (pattern: RegExp) => CODE.filter(({ code }) => pattern.test(code)).map(({ file }) => file);

describe('the program', () => {
  it('has no import against the direction of DESIGN §8', () => {
    const arrows = FILES.flatMap((file) => arrowsOf(file, sourceOf(ROOT, file)));
    expect(arrows.length).toBeGreaterThan(FILES.length); // else they were not found
    expect(arrows.map(wrongWith).filter(Boolean)).toEqual([]);
  });

  it('reads the environment in config.ts, to which the CLI hands it', () => {
    expect(whoSays(/\bprocess\.env\b/)).toEqual(['src/cli/session.ts']);
  });

  it('asks what time it is in adapters/system only', () => {
    const asking = whoSays(/\bDate\.now\b|\bnew Date\(\s*\)|\bDate\(\s*\)|\bTemporal\.Now\b/);
    expect(asking).toContain('src/adapters/system/clock.ts');
    expect(asking.filter((file) => !file.startsWith('src/adapters/system/'))).toEqual([]);
  });

  it('never lets XState run by itself', () => {
    expect(whoSays(/\bcreateActor\b/)).toEqual([]);
  });

  it('ends the process in the CLI only', () => {
    expect(whoSays(/\bprocess\.exit(Code)?\b/).filter((file) => !file.startsWith('src/cli/'))).toEqual([]);
  });

  it('has no drawer for whatever has no name', () => {
    const everything = ['src', 'machines', 'streams', 'test'].flatMap((folder) => filesBelow(ROOT, folder));
    const names = everything.flatMap((file) => [basename(file).split('.')[0]!, ...dirname(file).split('/')]);
    expect(names.filter((name) => /^(utils?|helpers?|common|misc|shared|lib)$/i.test(name))).toEqual([]);
  });
});

describe('of a made-up import, the check', () => {
  const wrong = (from: string, line: string) => arrowsOf(from, line).map(wrongWith);

  it.each([
    ['src/domain/run.ts', "import { Host } from '../runtime/host.ts';"],
    ['src/domain/run.ts', "import type { Host } from '../runtime/host.ts';"],
    ['src/domain/run.ts', "import { hash } from 'node:crypto';"],
    ['src/domain/run.ts', "import { Cron } from 'croner';"],
    ['src/domain/run.ts', "import { readFile } from 'node:fs/promises';"],
    ['src/runtime/host.ts', "import { jobTypes } from '../../machines/index.ts';"],
    ['src/runtime/host.ts', "export * from '../adapters/nats/leases.ts';"],
    ['src/runtime/host.ts', "const { connect } = await import('@nats-io/transport-node');"],
    ['src/runtime/host.ts', "import {\n  a,\n  b,\n} from '../app.ts';"],
    ['src/knowledge/blocks.ts', "import '../runtime/ports.ts';"],
    ['src/activities/x/index.ts', "import { vaultSync } from '../../../machines/vault-sync.machine.ts';"],
    ['src/activities/x/index.ts', "import { sqliteGraph } from '../../adapters/sqlite/graph.ts';"],
    ['src/adapters/nats/leases.ts', "import { open } from '../sqlite/open.ts';"],
    ['src/adapters/nats/leases.ts', "import { startService } from '../../app.ts';"],
    ['src/app.ts', "import { start } from './cli/start.ts';"],
    ['src/app.ts', "import { connect } from '@nats-io/transport-node';"],
    ['src/app.ts', "import { bulkhead } from 'cockatiel';"],
    ['src/adapters/nats/leases.ts', "import { Piscina } from 'piscina';"],
    ['src/web/server.ts', "import { start } from '../cli/start.ts';"],
    ['src/cli/start.ts', "import { given } from '../../test/support/play.ts';"],
    ['src/testing/stage.ts', "import { natsLeases } from '../adapters/nats/leases.ts';"],
    ['src/testing/stage.ts', "import { expect } from 'vitest';"],
    ['src/app.ts', "import { VirtualClock } from './testing/index.ts';"],
    ['machines/x.machine.ts', "import { Host } from '../src/runtime/host.ts';"],
    ['streams/x.stream.ts', "import { connect } from '@nats-io/transport-node';"],
    ['src/helpers.ts', "import { a } from './domain/run.ts';"],
  ])('finds fault in %s with %j', (from, line) => {
    expect(wrong(from, line)).toEqual([expect.stringContaining(from)]);
  });

  it.each([
    ['src/activities/x/index.ts', "import type { VaultSync } from '../../../machines/vault-sync.machine.ts';"],
    ['src/activities/index.ts', "import { pageWords } from '../../machines/page-words.machine.ts';"],
    ['src/adapters/nats/leases.ts', "import { commands } from '../../../streams/commands.stream.ts';"],
    ['src/domain/schedule/cron-calendar.ts', "import { Cron } from 'croner';"],
    ['src/domain/statechart/fold.ts', "import { and } from 'xstate/guards';"],
    ['src/testing/play-run.ts', "import { Holder } from '../runtime/holder.ts';"],
    ['src/app.ts', "import type { NatsConnection } from '@nats-io/transport-node';"],
    ['src/cli/start.ts', "import { startService } from '../app.ts';"],
  ])('finds none in %s with %j', (from, line) => {
    expect(wrong(from, line)).toEqual([undefined]);
  });

  it('looks at code, not at comments', () => {
    expect(arrowsOf('src/domain/run.ts', "/** import { a } from '../app.ts' */\n// import '../app.ts';\n")).toEqual([]);
    expect(arrowsOf('src/domain/run.ts', "import a from './a.ts';import b from './b.ts';\nexport { c } from './c.ts';")).toHaveLength(3);
  });
});
