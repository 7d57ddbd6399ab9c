import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type AnyStateMachine, and, assign, createMachine, not, setup } from 'xstate';
import { z } from 'zod';
import { jobTypes } from '../../../machines/index.ts';
import { defineJob } from '../../../src/domain/define-job.ts';
import { activity } from '../../../src/domain/statechart/declare-activity.ts';
import { type Highlight, stateDiagram } from '../../../src/domain/statechart/diagram.ts';
import { statesOf } from '../../../src/domain/statechart/machine-walk.ts';
import { machineShape } from '../../../src/domain/statechart/shape.ts';
import { imageJob } from '../../support/image-job.ts';
import { parseDiagram } from '../../support/mermaid-grammar.ts';
import { randomStatechart } from '../../support/random-statechart.ts';

/** What `defineJob` makes of the steps `fetch` and `store`, with names that one would give by hand. */
const fetchThenStore: AnyStateMachine = setup({
  types: { context: {} as { pauseRequested: boolean; attempt: number } },
  actors: { fetch: activity<void, null>(), store: activity<void, null>() },
  guards: { paused: ({ context }) => context.pauseRequested, canRetry: ({ context }) => context.attempt < 3 },
  delays: { runTimeoutMs: 3_600_000, timeoutMs: 1_000, backoffMs: ({ context }) => 1_000 * context.attempt },
  actions: {
    requestPause: assign({ pauseRequested: true }),
    clearPause: assign({ pauseRequested: false }),
    countAttempt: assign({ attempt: ({ context }) => context.attempt + 1 }),
  },
}).createMachine({
  id: 'by-hand',
  context: { pauseRequested: false, attempt: 0 },
  initial: 'running',
  states: {
    running: {
      initial: 'fetch',
      on: {
        pause: { guard: not('paused'), actions: 'requestPause' },
        resume: { guard: 'paused', actions: 'clearPause' },
        cancel: 'cancelled',
      },
      after: { runTimeoutMs: 'timedOut' },
      states: {
        fetch: {
          initial: 'ready',
          states: {
            ready: { always: { guard: not('paused'), target: 'executing' } },
            executing: {
              entry: 'countAttempt',
              invoke: {
                src: 'fetch',
                onDone: '#by-hand.running.store',
                onError: [{ guard: 'canRetry', target: 'backingOff' }, { target: '#by-hand.failed' }],
              },
              after: { timeoutMs: [{ guard: 'canRetry', target: 'backingOff' }, { target: '#by-hand.failed' }] },
            },
            backingOff: { on: { retry: 'ready' }, after: { backoffMs: 'ready' } },
          },
        },
        store: {
          initial: 'ready',
          states: {
            ready: { always: { guard: not('paused'), target: 'executing' } },
            executing: {
              entry: 'countAttempt',
              invoke: {
                src: 'store',
                onDone: '#by-hand.succeeded',
                onError: [{ guard: 'canRetry', target: 'backingOff' }, { target: '#by-hand.failed' }],
              },
              after: { timeoutMs: [{ guard: 'canRetry', target: 'backingOff' }, { target: '#by-hand.failed' }] },
            },
            backingOff: { on: { retry: 'ready' }, after: { backoffMs: 'ready' } },
          },
        },
      },
    },
    succeeded: { type: 'final' },
    failed: { type: 'final' },
    cancelled: { type: 'final' },
    timedOut: { type: 'final' },
  },
});

const diagramOf = (machine: AnyStateMachine, highlight?: Highlight) => stateDiagram(machineShape(machine), highlight);
const parsed = (machine: AnyStateMachine, highlight?: Highlight) => parseDiagram(diagramOf(machine, highlight));
const labels = (machine: AnyStateMachine) => parsed(machine).arrows.map(({ label }) => label);

describe('a diagram', () => {
  it('shows states within states, activities, timers, guards and ends', () => {
    const machine = setup({
      actors: { fetch: activity<void, void>() },
      guards: { mayRetry: () => true },
      delays: { backoffMs: 1, patienceMs: 2 },
      actions: { ask: assign({}) },
    }).createMachine({
      id: 'fetching',
      initial: 'working',
      states: {
        working: {
          initial: 'trying',
          after: { patienceMs: 'expired' },
          on: { cancel: 'cancelled', pause: { guard: not('mayRetry'), actions: 'ask' } },
          onDone: 'succeeded',
          states: {
            trying: {
              invoke: {
                src: 'fetch',
                onDone: 'fetched',
                onError: [{ guard: 'mayRetry', target: 'waiting' }, { target: '#fetching.failed' }],
              },
              after: { 30000: 'waiting' },
            },
            waiting: { after: { backoffMs: 'trying' } },
            fetched: { type: 'final' },
          },
        },
        succeeded: { type: 'final' },
        failed: { type: 'final' },
        cancelled: { type: 'final' },
        expired: { type: 'final' },
      },
    });
    expect(diagramOf(machine, { value: { working: 'trying' }, as: 'active' })).toBe(`stateDiagram-v2
  [*] --> s_working
  state "working<br/>pause [not(mayRetry)] / ask" as s_working {
    [*] --> s_working__trying
    state "trying" as s_working__trying
    s_working__trying: does fetch
    state "waiting" as s_working__waiting
    state "fetched" as s_working__fetched
    s_working__fetched --> [*]
  }
  state "succeeded" as s_succeeded
  s_succeeded --> [*]
  state "failed" as s_failed
  s_failed --> [*]
  state "cancelled" as s_cancelled
  s_cancelled --> [*]
  state "expired" as s_expired
  s_expired --> [*]
  s_working --> s_cancelled: cancel
  s_working --> s_succeeded: finished
  s_working --> s_expired: after patienceMs
  s_working__trying --> s_working__fetched: done
  s_working__trying --> s_working__waiting: failed [mayRetry]<br/>after 30000 ms
  s_working__trying --> s_failed: failed [else]
  s_working__waiting --> s_working__trying: after backoffMs
  classDef active fill:#2563eb,stroke:#1e3a8a,color:#ffffff
  class s_working__trying active
`);
  });

  it('shows regions side by side, each with its state of the run, and the history of a state', () => {
    const region = { initial: 'idle', states: { idle: { on: { go: 'busy' } }, busy: {} } };
    const machine = createMachine({
      id: 'both',
      initial: 'on',
      states: {
        on: {
          type: 'parallel',
          states: {
            left: region,
            right: { ...region, states: { ...region.states, before: { type: 'history', history: 'deep', target: 'busy' } } },
          },
          on: { stop: 'off' },
        },
        off: { on: { start: 'on.right.before' } },
      },
    });
    const text = diagramOf(machine, { value: { on: { left: 'busy', right: 'idle' } }, as: 'active' });
    const { states, arrows, classes } = parseDiagram(text);
    expect(text).toMatch(/ {4}state "left" as s_on__left \{\n[^}]*\n {4}\}\n {4}--\n {4}state "right"/);
    expect(states.get('s_on__right__before')).toEqual({ path: ['s_on', 's_on__right'], text: ['H*'] });
    expect(arrows).toContainEqual({ from: 's_off', to: 's_on__right__before', label: 'start', within: [] });
    expect(arrows).toContainEqual({ from: 's_on__right__before', to: 's_on__right__busy', label: '', within: [] });
    expect(classes.get('active')).toEqual(['s_on__left__busy', 's_on__right__idle']);
  });

  it('has a box for the machine when the machine itself hears or does something, has regions or is gone to', () => {
    const root = (config: object) =>
      parsed(createMachine({ id: 'whole', initial: 'a', states: { a: {}, b: {} }, ...config } as never)).states.get('s_');
    expect(root({})).toBeUndefined();
    expect(root({ on: { reset: { target: '.b' } } })).toEqual({ path: [], text: ['whole'] });
    expect(root({ initial: undefined, type: 'parallel' })).toEqual({ path: [], text: ['whole'] });
    expect(root({ states: { a: { on: { again: '#whole' } } } })).toEqual({ path: [], text: ['whole'] });
    expect(root({ invoke: { src: 'watch' } })).toEqual({ path: [], text: ['whole', 'does watch'] });
  });

  it('says which of several activities it was', () => {
    const invoke = ['first', 'work'].map((id) => ({ id, src: 'work', onDone: 'end', onError: 'end' }));
    const { states, arrows } = parsed(createMachine({ id: 'many', initial: 'at', states: { at: { invoke }, end: {} } } as never));
    expect(states.get('s_at')!.text).toEqual(['at', 'does work (first)', 'does work']);
    expect(arrows.at(-1)!.label).toBe('first done<br/>first failed<br/>work done<br/>work failed');
  });

  it('says what is heard for want of another, and nothing where nothing is waited for', () => {
    const states = {
      a: { on: { go: [{ guard: and(['x', 'y'] as never), target: 'b' }, { target: 'c' }], '*': 'c' } },
      b: { always: [{ guard: 'x', target: 'a' }, { target: 'c' }] },
      c: { always: 'a' },
    };
    expect(labels(createMachine({ id: 'else', initial: 'a', states } as never))).toEqual([
      '',
      'go [and(x, y)]',
      'go [else]<br/>any other event',
      '[x]',
      '[else]',
      '',
    ]);
  });

  it('colours where a run failed', () => {
    const { classes } = parsed(imageJob, { value: 'failed', as: 'failed' });
    expect([...classes]).toEqual([['failed', ['s_failed']]]);
  });

  it('is the same of a job made of steps and of a statechart that is written by hand', () => {
    const step = { output: z.null(), run: async () => null };
    const { jobType } = defineJob({ id: 'steps', summary: '', input: z.object({}) })
      .step('fetch', step)
      .step('store', step)
      .build();
    expect(diagramOf(jobType.machine)).toBe(diagramOf(fetchThenStore));
  });

  it.each([
    'end',
    'state',
    'note',
    'click',
    'default',
    'constructor',
    'a b',
    'a_b',
    'a__b',
    'a-b',
    '5',
    'größe',
    '状態',
    'a"b',
    'a:b',
    'a;b',
    'a#b',
    'a{b}',
    'a --> b',
    'a%%b',
    '%%{init}%%',
    '<<fork>>',
    '[[join]]',
    'direction LR',
    '<br/>',
    '\n',
    '💥',
  ])('can name a state, an event, a guard, a delay and an activity %j', (name) => {
    const config = {
      id: 'm',
      initial: name,
      states: {
        [name]: {
          invoke: { src: name, id: name, onDone: 'other' },
          on: { [name]: { guard: name, target: 'other' }, keep: { guard: name, actions: name } },
          after: { [name]: 'other' },
        },
        other: { initial: name, states: { [name]: {} } },
      },
    };
    const { states, arrows } = parsed(createMachine(config as never));
    expect([...states.values()].map(({ path }) => path.length)).toEqual([0, 0, 1]);
    expect(arrows).toHaveLength(3);
  });
});

it.each(jobTypes.map((jobType) => [jobType.id, jobType] as const))('the diagram of %s has all of its states', (_, { machine }) => {
  const rootHasBox = machineShape(machine).root.edges !== undefined;
  expect(parsed(machine).states.size).toBe([...statesOf(machine)].length - (rootHasBox ? 0 : 1));
});

describe('random statecharts', () => {
  // XState warns of charts like these.
  beforeAll(() => void vi.spyOn(console, 'warn').mockImplementation(() => {}));
  afterAll(() => void vi.restoreAllMocks());

  it('have diagrams that say all of them', () => {
    let drawn = 0;
    for (let seed = 1; drawn < 100; seed++) {
      let machine: AnyStateMachine;
      try {
        ({ machine } = randomStatechart(seed));
      } catch {
        continue; // XState cannot build it
      }
      const { states, arrows } = parsed(machine);
      const nodes = [...statesOf(machine)];
      expect(nodes.length - states.size, `seed ${seed}`).toBeLessThanOrEqual(1); // the root need not be drawn
      const pairs = nodes.flatMap((node) =>
        [...node.transitions.values(), node.always ?? []]
          .flat()
          .flatMap(({ target, source }) => (target ?? []).map(({ id }) => `${source.id} ${id}`)),
      );
      expect(arrows.filter(({ from, to }) => from !== '[*]' && to !== '[*]').length, `seed ${seed}`).toBe(new Set(pairs).size);
      drawn++;
    }
  });
});
