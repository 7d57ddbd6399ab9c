import { describe, expect, it } from 'vitest';
import { FindingCollector } from '../../src/knowledge/findings.ts';
import { conceptStem, pageNames } from '../../src/knowledge/page-names.ts';
import { referenceChecks } from '../../src/knowledge/reference-checks.ts';
import { findWikilinks } from '../../src/knowledge/wikilinks.ts';

const targets = (text: string) => [...findWikilinks(text)].map(({ target }) => target);

describe('findWikilinks', () => {
  it.each([
    ['[[Page]]', ['Page']],
    ['[[Page#Heading|shown]] and ![[image.png]]', ['Page', 'image.png']],
    ['[[#Heading]]', ['']],
    ['| [[Page\\|shown]] |', ['Page']],
    ['[[a\nb]] [[]] [single] [[[x]]]', ['', 'x']],
    ['`[[ -f x ]]` [[Real]]', ['Real']],
    ['```sh\n[[ -f x ]]\n```\n[[Real]]', ['Real']],
    ['~~~\n```\n[[x]]\n~~~\n[[Real]]', ['Real']],
    ['<!-- [[x]] --> [[Real]] <!-- open [[Also]]', ['Real', 'Also']],
  ])('in %j finds %j', (text, expected) => expect(targets(text)).toEqual(expected));
});

describe('pageNames', () => {
  const pages = pageNames(['README.md', 'concepts/Nightly_export.md', 'concepts/Subject_Data_quality.md', 'media/plan.PNG', 'a/b/Deep.md']);
  it.each([
    'README',
    'readme',
    'Deep',
    'b/Deep',
    'a/b/Deep.md',
    '../b/Deep',
    'plan.png',
    'Nightly_export',
    'Nightly export',
    'Subject:Data quality',
    '',
  ])('has %j', (target) => expect(pages.has(target)).toBe(true));
  it.each(['Nowhere', 'c/Deep', 'plan', 'Subject:Nightly export', 'eep'])('does not have %j', (target) =>
    expect(pages.has(target)).toBe(false),
  );
});

describe('conceptStem', () => {
  it.each([
    ['Nightly export', 'Nightly_export'],
    ['a/b: c?', 'a_b_c'],
    ['  naïve 概念 2½ ', 'naïve_概念_2½'],
    ['???', 'unnamed_concept'],
    ['x'.repeat(300), 'x'.repeat(200)],
  ])('of %j is %j', (text, stem) => expect(conceptStem(text)).toBe(stem));
});

describe('referenceChecks', () => {
  const check = (files: Record<string, string>) => {
    const checks = referenceChecks('aclarai', pageNames(Object.keys(files)));
    for (const [file, text] of Object.entries(files)) checks.check(file, text);
    return checks.summary();
  };
  const kinds = (text: string) => check({ 'page.md': text }).listed.map(({ kind, id }) => (id === undefined ? kind : `${kind} ${id}`));

  it.each([
    ['text\n<!-- aclarai:id=blk_abc123 ver=1 -->\n^blk_abc123\n', []],
    ['text\n<!-- aclarai:id=blk_abc123 ver=1 -->\n  ^blk_abc123  \n\nmore', []],
    ['a report\n\n<!-- aclarai:id=file_report_1 ver=1 -->\n', []],
    ['text <!-- aclarai:id=blk_abc123 ver=1 -->\n\nmore', ['missing-anchor blk_abc123']],
    ['text <!-- aclarai:id=blk_abc123 ver=1 -->\n^blk_other1\n', ['wrong-anchor blk_abc123']],
    ['text <!-- aclarai:id=blk_abc123 -->\n^blk_abc123\n', ['missing-version blk_abc123']],
    ['text <!-- aclarai:id=blk_abc ver=1 -->\n^blk_abc\n', ['short-id blk_abc']],
    ['text <!-- aclarai:id=3f2a-77b1 ver=1 -->\n^3f2a-77b1\n', ['dash-in-id 3f2a-77b1']],
    [
      'text <!--aclarai:id=blk_abc123--><!--aclarai:id=blk_def456-->\n',
      ['missing-version blk_abc123', 'missing-anchor blk_abc123', 'missing-version blk_def456'],
    ],
    ['[[page]] [[Nowhere]]', ['broken-link']],
  ])('of %j finds %j', (text, expected) => expect(kinds(text)).toEqual(expected));

  it('finds an id in two files, and says in which', () => {
    const block = 'text <!-- aclarai:id=blk_abc123 ver=1 -->\n^blk_abc123\n';
    const { counts, listed, markers_checked } = check({ 'a.md': block, 'b.md': `${block}${block}` });
    expect({ counts, markers_checked }).toEqual({ counts: { 'duplicate-id': 2 }, markers_checked: 3 });
    expect(listed[0]).toMatchObject({ file: 'b.md', detail: expect.stringContaining('a.md') });
  });
});

describe('FindingCollector', () => {
  const finding = { kind: 'broken-link', file: `${'概'.repeat(4000)}.md`, id: 'i'.repeat(400), detail: '😀'.repeat(400) } as const;
  it('counts all and lists few, in few bytes, whatever they say', () => {
    const findings = new FindingCollector();
    for (let count = 0; count < 10_000; count++) findings.add(finding);
    const report = findings.report();
    expect(report.counts).toEqual({ 'broken-link': 10_000 });
    expect(report.listed.length).toBeGreaterThan(4);
    expect(Buffer.byteLength(JSON.stringify(report))).toBeLessThan(9 * 1024);
    expect(report.listed[0]!.file.endsWith('概.md')).toBe(true);
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
  });
  it('goes on where an earlier report stopped', () => {
    const atOnce = new FindingCollector();
    let piecewise = new FindingCollector();
    for (let count = 0; count < 80; count++) {
      const short = { kind: 'short-id', file: `${count}.md`, detail: '' } as const;
      atOnce.add(short);
      piecewise = new FindingCollector(JSON.parse(JSON.stringify(piecewise.report())));
      piecewise.add(short);
    }
    expect(piecewise.report()).toEqual(atOnce.report());
  });
});
