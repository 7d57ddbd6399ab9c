import { describe, expect, it } from 'vitest';
import { parseRawAction } from '../../../src/domain/statechart/raw-action.ts';

describe('the actions XState lists', () => {
  const actor = { id: 'work' };
  const info = { event: { type: 'go' } };

  it('keep the identity of actors', () => {
    const spawned = parseRawAction({
      type: 'xstate.spawnChild',
      params: { id: () => 'work', src: 'work', actorRef: actor, input: undefined },
    });
    expect(spawned).toMatchObject({ type: 'xstate.spawnChild', params: { src: 'work' } });
    expect((spawned.type === 'xstate.spawnChild' && spawned.params.actorRef) === actor).toBe(true);
  });

  it('are custom when their type is not one of XState', () => {
    const custom = parseRawAction({ type: 'paint', params: { colour: 'red' }, info, exec: () => {} });
    expect(custom).toEqual({ type: 'custom', name: 'paint', params: { colour: 'red' }, event: { type: 'go' } });
  });

  it('may stop nothing', () => {
    expect(parseRawAction({ type: 'xstate.stopChild', params: undefined })).toEqual({ type: 'xstate.stopChild' });
  });

  it.each([
    ['a built-in of a later release', { type: 'xstate.teleport', params: {} }, 'unknown built-in action "xstate.teleport"'],
    ['an action without code', { type: 'paint', params: undefined, info }, 'action "paint": this action is not in setup({ actions })'],
    ['logic without a name', { type: 'xstate.spawnChild', params: { id: 'a', src: {}, actorRef: actor } }, 'name it in setup({ actors })'],
    ['an unknown actor', { type: 'xstate.spawnChild', params: { id: 'a', src: 'x' } }, 'this actor is not in setup({ actors })'],
    ['a spawn without id', { type: 'xstate.spawnChild', params: { src: 'x', actorRef: actor } }, 'spawnChild() needs an id'],
    ['a delay that is none', { type: 'xstate.raise', params: { event: { type: 'a' }, delay: 'soon' } }, 'action "xstate.raise"'],
    ['something else', 7, 'action undefined'],
  ])('are refused: %s', (_, listed, message) => {
    const parse = () => parseRawAction(listed);
    expect(parse).toThrow(TypeError);
    expect(parse).toThrow(message);
  });
});
