import { expect, it } from 'vitest';
import { parseRunEvent } from '../../src/domain/run-event.ts';

/** Keys in an order that no schema would choose. */
const STORED =
  '{"data":{"snapshot":{"value":"scanning","visits":1,"status":"active"},"previous":null,"definition":"d","startedAt":"2026-11-23T03:00:00.000Z",' +
  '"lease":{"term":1,"delivery":1,"command":7},"to":"scanning","revision":1},"time":"2026-11-23T03:00:00.000Z","type":"almanac.run.started","id":"e","specversion":"1.0"}';

it('a parsed event is the stored one to the byte, because the next event repeats its snapshot and the verifier compares them', () => {
  expect(JSON.stringify(parseRunEvent(Buffer.from(STORED)))).toBe(STORED);
});
