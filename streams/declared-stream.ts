/** The settings every stream states explicitly, because a difference in one of them is a weaker or stronger promise. */
import type { StreamConfig } from '@nats-io/jetstream';

export type DeclaredStream = Pick<
  StreamConfig,
  'name' | 'subjects' | 'retention' | 'storage' | 'discard' | 'max_age' | 'max_msg_size' | 'duplicate_window'
> &
  Partial<Pick<StreamConfig, 'deny_delete' | 'deny_purge' | 'allow_direct' | 'max_msgs_per_subject'>>;
