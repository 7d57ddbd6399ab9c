import { expect, it } from 'vitest';
import { assertSupportedVersion, compareVersions, serverVersionProblem } from '../../../../src/adapters/system/nats-server/versions.ts';

it('compares numbers, not text', () => {
  expect(['2.10.0', '2.9.10', '2.9.9', '2.15.0', 'none'].sort(compareVersions)).toEqual(['none', '2.9.9', '2.9.10', '2.10.0', '2.15.0']);
});

it.each(['2.9.10', '2.9.25', '2.10.0', '2.15.0-RC.1', '3.0.0'])('%s will do', (version) => {
  expect(serverVersionProblem(version)).toBeUndefined();
});

it.each(['2.9.9', '2.8.4', '1.4.1', 'unknown', ''])('%j will not do', (version) => {
  expect(serverVersionProblem(version)).toEqual(expect.any(String));
  const check = () => assertSupportedVersion(version, 'nats://elsewhere:4222');
  expect(check).toThrow(
    expect.objectContaining({ code: 'NATS_SERVER_UNSUPPORTED', message: expect.stringMatching(/elsewhere.*NATS_URL/) }),
  );
});
