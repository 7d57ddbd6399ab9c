/** A hand-written job that uses everything a job needs: three steps, retries with backoff, timeouts, pause and cancel. */
import { assign, setup } from 'xstate';
import { activity } from '../../src/domain/statechart/declare-activity.ts';
import { now, random } from '../../src/domain/statechart/environment.ts';
import type { SerializedError } from '../../src/domain/statechart/serialized-error.ts';

export interface ImageInput {
  readonly url: string;
}

interface ImageContext {
  readonly url: string;
  readonly attempt: number;
  readonly pauseRequested: boolean;
  readonly startedAt: number;
  readonly path?: string;
  readonly published?: string;
  readonly lastError?: SerializedError;
}

const MAX_ATTEMPTS = 3;

export const imageJob = setup({
  types: {
    input: {} as ImageInput,
    context: {} as ImageContext,
    events: {} as { type: 'pause' } | { type: 'resume' } | { type: 'cancel' },
    output: {} as { published?: string; lastError?: SerializedError },
  },
  actors: {
    download: activity<{ url: string; attempt: number }, { path: string }>(),
    resize: activity<{ path: string; attempt: number }, { path: string }>(),
    upload: activity<{ path: string; attempt: number }, { published: string }>(),
  },
  actions: {
    countAttempt: assign({ attempt: ({ context }) => context.attempt + 1 }),
    forgetAttempts: assign({ attempt: 0 }),
    rememberError: assign({ lastError: ({ event }) => (event as unknown as { error: SerializedError }).error }),
    requestPause: assign({ pauseRequested: true }),
    clearPause: assign({ pauseRequested: false }),
  },
  guards: {
    notPaused: ({ context }) => !context.pauseRequested,
    canRetry: ({ context, event }) => {
      const error = (event as unknown as { error?: SerializedError }).error;
      return context.attempt < MAX_ATTEMPTS && error?.retryable !== false;
    },
  },
  delays: {
    stepTimeoutMs: 30_000,
    jobTimeoutMs: 3_600_000,
    backoffMs: ({ context }) => random() * 1000 * 2 ** context.attempt,
  },
}).createMachine({
  id: 'image',
  options: { maxIterations: 100 },
  context: ({ input }) => ({ url: input.url, attempt: 0, pauseRequested: false, startedAt: now() }),
  initial: 'running',
  states: {
    running: {
      after: { jobTimeoutMs: 'expired' },
      on: { cancel: 'cancelled', pause: { actions: 'requestPause' }, resume: { actions: 'clearPause' } },
      onDone: 'succeeded',
      initial: 'downloading',
      states: {
        downloading: {
          entry: 'forgetAttempts',
          onDone: 'resizing',
          initial: 'ready',
          states: {
            ready: { always: { guard: 'notPaused', target: 'trying' } },
            trying: {
              entry: 'countAttempt',
              invoke: {
                id: 'download',
                src: 'download',
                input: ({ context }) => ({ url: context.url, attempt: context.attempt }),
                onDone: { target: 'done', actions: assign({ path: ({ event }) => event.output.path }) },
                onError: [
                  { guard: 'canRetry', target: 'backingOff', actions: 'rememberError' },
                  { target: '#image.failed', actions: 'rememberError' },
                ],
              },
              after: { stepTimeoutMs: [{ guard: 'canRetry', target: 'backingOff' }, { target: '#image.expired' }] },
            },
            backingOff: { after: { backoffMs: 'ready' } },
            done: { type: 'final' },
          },
        },
        resizing: {
          entry: 'forgetAttempts',
          onDone: 'uploading',
          initial: 'ready',
          states: {
            ready: { always: { guard: 'notPaused', target: 'trying' } },
            trying: {
              entry: 'countAttempt',
              invoke: {
                id: 'resize',
                src: 'resize',
                input: ({ context }) => ({ path: context.path ?? '', attempt: context.attempt }),
                onDone: { target: 'done', actions: assign({ path: ({ event }) => event.output.path }) },
                onError: [
                  { guard: 'canRetry', target: 'backingOff', actions: 'rememberError' },
                  { target: '#image.failed', actions: 'rememberError' },
                ],
              },
              after: { stepTimeoutMs: [{ guard: 'canRetry', target: 'backingOff' }, { target: '#image.expired' }] },
            },
            backingOff: { after: { backoffMs: 'ready' } },
            done: { type: 'final' },
          },
        },
        uploading: {
          entry: 'forgetAttempts',
          onDone: 'finished',
          initial: 'ready',
          states: {
            ready: { always: { guard: 'notPaused', target: 'trying' } },
            trying: {
              entry: 'countAttempt',
              invoke: {
                id: 'upload',
                src: 'upload',
                input: ({ context }) => ({ path: context.path ?? '', attempt: context.attempt }),
                onDone: { target: 'done', actions: assign({ published: ({ event }) => event.output.published }) },
                onError: [
                  { guard: 'canRetry', target: 'backingOff', actions: 'rememberError' },
                  { target: '#image.failed', actions: 'rememberError' },
                ],
              },
              after: { stepTimeoutMs: [{ guard: 'canRetry', target: 'backingOff' }, { target: '#image.expired' }] },
            },
            backingOff: { after: { backoffMs: 'ready' } },
            done: { type: 'final' },
          },
        },
        finished: { type: 'final' },
      },
    },
    succeeded: { type: 'final' },
    failed: { type: 'final' },
    cancelled: { type: 'final' },
    expired: { type: 'final' },
  },
  output: ({ context }) => ({
    ...(context.published === undefined ? {} : { published: context.published }),
    ...(context.lastError === undefined ? {} : { lastError: context.lastError }),
  }),
});

export const IMAGE_INPUT: ImageInput = { url: 'https://example.com/a.png' };

/** What each activity answers when it goes well. */
export const IMAGE_OUTPUTS: Readonly<Record<string, object>> = {
  download: { path: '/tmp/a.png' },
  resize: { path: '/tmp/a-small.png' },
  upload: { published: 'https://cdn.example.com/a-small.png' },
};
