/**
 * The part of Mermaid's `stateDiagram-v2` that our diagrams are written in. Stricter than Mermaid, which takes most texts and then draws
 * something else: a state mentioned before it is declared, or in a box other than its own, moves there.
 */

interface State {
  /** Names of the boxes around it, the outermost first. */
  readonly path: readonly string[];
  /** The lines in it. */
  readonly text: string[];
}
interface Arrow {
  readonly from: string;
  readonly to: string;
  readonly label: string;
  /** Names of the boxes around it. */
  readonly within: readonly string[];
}
export interface ParsedDiagram {
  readonly states: ReadonlyMap<string, State>;
  readonly arrows: readonly Arrow[];
  /** Name of a style → the states that wear it. */
  readonly classes: ReadonlyMap<string, readonly string[]>;
}

const NAME = String.raw`s_\w*`;
/** No quote, colon, semicolon, brace, `<`, `>`, `%` or `#`, except as a character code or a line break. */
const TEXT = String.raw`(?:[^"#:;<>{}%\n]|#\d+;|<br/>)+`;
const STATE = new RegExp(`^state "(?<text>${TEXT})" as (?<name>${NAME})(?<opens> \\{)?$`, 'u');
const DOING = new RegExp(`^(?<name>${NAME}): (?<text>${TEXT})$`, 'u');
const ARROW = new RegExp(String.raw`^(?<from>\[\*\]|${NAME}) --> (?<to>\[\*\]|${NAME})(?:: (?<label>${TEXT}))?$`, 'u');
const STYLE = /^classDef (?<style>[a-z]+) fill:#[0-9a-f]{6},stroke:#[0-9a-f]{6},color:#[0-9a-f]{6}$/;
const CLASS = new RegExp(`^class (?<names>${NAME}(?:,${NAME})*) (?<style>[a-z]+)$`);
/** Mermaid looks for these anywhere in a line. */
const COMMAND_IN_TEXT = /direction\s+(?:TB|BT|LR|RL)|<<\w+>>|\[\[\w+\]\]/i;

/** @throws {SyntaxError} Names the line and what is wrong with it. */
export function parseDiagram(diagram: string): ParsedDiagram {
  return new Parser(diagram).parse();
}

class Parser {
  readonly #lines: readonly string[];
  readonly #states = new Map<string, State>();
  readonly #arrows: Arrow[] = [];
  readonly #classes = new Map<string, readonly string[]>();
  /** Names of the boxes that are open here. */
  readonly #open: string[] = [];

  constructor(diagram: string) {
    if (!diagram.endsWith('\n')) throw new SyntaxError('the last line does not end');
    this.#lines = diagram.split('\n').slice(0, -1);
  }

  parse(): ParsedDiagram {
    const [first, ...rest] = this.#lines;
    if (first !== 'stateDiagram-v2') throw new SyntaxError(`begins with ${first}`);
    rest.forEach((line, index) => {
      const problem = this.#read(line.trimStart()) ?? this.#wrongIndent(line);
      if (problem !== undefined) throw new SyntaxError(`line ${index + 2}, ${line}: ${problem}`);
    });
    if (this.#open.length > 0) throw new SyntaxError(`never closed: ${this.#open}`);
    if (this.#strays().length > 0) throw new SyntaxError(`begins or ends a box that it is not in: ${this.#strays()}`);
    return { states: this.#states, arrows: this.#arrows, classes: this.#classes };
  }

  #read(line: string): string | undefined {
    if (COMMAND_IN_TEXT.test(line)) return 'has a command in a text';
    if (line === '}') return this.#open.pop() === undefined ? 'closes nothing' : undefined;
    if (line === '--') return this.#open.length === 0 ? 'is no box to divide' : undefined;
    const rules = [
      [STATE, this.#state],
      [DOING, this.#doing],
      [ARROW, this.#arrow],
      [STYLE, this.#style],
      [CLASS, this.#class],
    ] as const;
    for (const [pattern, take] of rules) {
      const parts = pattern.exec(line)?.groups;
      if (parts !== undefined) return take.call(this, parts as Record<string, string>);
    }
    return 'is nothing we write';
  }

  #wrongIndent(line: string): string | undefined {
    const opens = line.endsWith('{') ? 1 : 0;
    return /^ */.exec(line)![0].length === 2 * (1 + this.#open.length - opens) ? undefined : 'is not indented as its box is';
  }

  #state({ name, text, opens }: Record<string, string>): string | undefined {
    if (this.#states.has(name!)) return 'is declared twice';
    this.#states.set(name!, { path: [...this.#open], text: text!.split('<br/>') });
    if (opens !== undefined) this.#open.push(name!);
    return undefined;
  }

  #doing({ name, text }: Record<string, string>): string | undefined {
    const state = this.#states.get(name!);
    if (`${state?.path}` !== `${this.#open}`) return 'is not declared in this box';
    state!.text.push(text!);
    return undefined;
  }

  #arrow({ from, to, label = '' }: Record<string, string>): string | undefined {
    this.#arrows.push({ from: from!, to: to!, label, within: [...this.#open] });
    if (from === '[*]') return undefined; // declared in the next line
    if (!this.#states.has(from!) || !(to === '[*]' || this.#states.has(to!))) return 'goes from or to a state that is not declared';
    return to === '[*]' || this.#open.length === 0 ? undefined : 'would take its states into this box';
  }

  /** The beginnings and ends of a box are of states in it. */
  #strays(): string[] {
    const ends = this.#arrows.filter(({ from, to }) => from === '[*]' || to === '[*]');
    const inner = ends.map(({ from, to, within }) => ({ name: from === '[*]' ? to : from, within }));
    return inner.filter(({ name, within }) => `${this.#states.get(name)?.path}` !== `${within}`).map(({ name }) => name);
  }

  #style({ style }: Record<string, string>): undefined {
    this.#classes.set(style!, []);
  }

  #class({ names, style }: Record<string, string>): string | undefined {
    if (!this.#classes.has(style!)) return 'has a style that is not defined';
    this.#classes.set(style!, names!.split(','));
    return names!.split(',').every((name) => this.#states.has(name)) ? undefined : 'names a state that is not declared';
  }
}
