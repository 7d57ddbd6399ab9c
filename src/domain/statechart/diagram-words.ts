/** What stands in the boxes and at the arrows of a diagram. */
import { type EdgeShape, INLINE, type StateShape } from './shape.ts';

export interface DiagramWords {
  readonly title: string;
  /** What goes on while the state is active, and what it hears without being left. */
  readonly doing: readonly string[];
  /** By the id of where to. An empty text: at once. */
  readonly leaving: ReadonlyMap<string, readonly string[]>;
}

/** @param around Keys of the states around it. */
export function wordsOf(state: StateShape, around: readonly string[]): DiagramWords {
  const words = new Words(state, [...around, state.key]);
  const leaving = new Map<string, string[]>();
  for (const edge of state.edges ?? [])
    for (const target of edge.targets) leaving.set(target, [...(leaving.get(target) ?? []), words.heard(edge)]);
  return { title: words.title(), doing: [...words.activities(), ...words.reactions()], leaving };
}

class Words {
  readonly #state: StateShape;
  readonly #within: readonly string[];

  constructor(state: StateShape, within: readonly string[]) {
    this.#state = state;
    this.#within = within;
  }

  title(): string {
    if (this.#state.type === 'history') return this.#state.history === 'deep' ? 'H*' : 'H';
    return printable(this.#state.key);
  }

  activities(): string[] {
    return this.#invokes.map(
      ({ id, src }) => `does ${this.#say(src)}${this.#invokes.length > 1 && id !== src ? ` (${this.#say(id)})` : ''}`,
    );
  }

  /** Actions are told only here: elsewhere the change of state says enough. */
  reactions(): string[] {
    const reactions = this.#edges.filter(({ targets }) => targets.length === 0);
    return reactions.map((edge) => {
      const named = (edge.actions ?? []).filter((action) => !action.startsWith('xstate.') && action !== INLINE);
      return `${this.heard(edge)}${named.length > 0 ? ` / ${named.map((action) => this.#say(action)).join(', ')}` : ''}`;
    });
  }

  /** The event, the timer or the end of an activity, then the guard. */
  heard(edge: EdgeShape): string {
    return [this.#trigger(edge), this.#guard(edge)].filter((text) => text !== '').join(' ');
  }

  #trigger({ kind, on }: EdgeShape): string {
    switch (kind) {
      case 'event':
        return on === '*' ? 'any other event' : this.#say(on);
      case 'timer':
        return /^\d+$/.test(on) ? `after ${on} ms` : `after ${this.#say(on)}`;
      case 'activityDone':
        return this.#invokes.length > 1 ? `${this.#say(on)} done` : 'done';
      case 'activityFailed':
        return this.#invokes.length > 1 ? `${this.#say(on)} failed` : 'failed';
      case 'stateDone':
        return 'finished';
      case 'always':
        return '';
    }
  }

  #guard(edge: EdgeShape): string {
    if (edge.guard !== undefined) return `[${this.#say(edge.guard)}]`;
    const before = this.#edges.slice(0, this.#edges.indexOf(edge));
    return before.some(({ kind, on, guard }) => kind === edge.kind && on === edge.on && guard !== undefined) ? '[else]' : '';
  }

  /** Within `download`, `canRetry:download` is `canRetry`. */
  #say(name: string): string {
    return printable(name.replace(/:([\w-]+)/g, (qualifier, key: string) => (this.#within.includes(key) ? '' : qualifier)));
  }

  get #edges(): readonly EdgeShape[] {
    return this.#state.edges ?? [];
  }

  get #invokes(): NonNullable<StateShape['invoke']> {
    return this.#state.invoke ?? [];
  }
}

/** As character codes: what means something to Mermaid, and blanks, except after a comma, because it looks for its commands in labels. */
const printable = (name: string): string => name.replace(/(?<!,)\s|[^\p{L}\p{N}\s_.,()/*!?=&|+'-]/gu, (char) => `#${char.codePointAt(0)};`);
