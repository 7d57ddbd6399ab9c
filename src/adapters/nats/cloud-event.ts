import type { Instant } from '../../domain/ids.ts';

export interface CloudEvent {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject: string;
  readonly at: Instant;
  readonly data: object;
}

/** Structured JSON. Those of runs, whose bytes are hashed, are written by the domain. https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md */
export function cloudEventBytes({ id, source, type, subject, at, data }: CloudEvent): Buffer {
  const time = new Date(at).toISOString();
  return Buffer.from(JSON.stringify({ specversion: '1.0', id, source, type, subject, time, datacontenttype: 'application/json', data }));
}
