import type { RunEvent } from '../domain/run-event.ts';
import type { Columns } from './output.ts';

/** How events are shown to people. Programs get them whole. */
export const eventColumns: Columns<RunEvent> = {
  TIME: ({ time }) => time,
  RUN: ({ subject }) => subject,
  REV: ({ data }) => String(data.revision),
  TYPE: ({ type }) => type.replace(/^almanac\.run\./, ''),
  FROM: ({ data }) => data.from,
  TO: ({ data }) => data.to,
  EVENT: ({ data }) => data.event?.type,
};
