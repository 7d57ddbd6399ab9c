import { UnconfirmedError } from '../../domain/errors.ts';
import type { Publisher, PublishOptions, Stored } from './publisher.ts';

/** Sends until the stream has answered for certain. Sending again stores nothing twice: the stream knows the message id. */
export async function publishConfirmed(
  publisher: Publisher,
  subject: string,
  body: Uint8Array,
  options: PublishOptions & { readonly messageId: string },
): Promise<Stored> {
  for (;;) {
    try {
      return await publisher.publish(subject, body, options);
    } catch (error) {
      if (!(error instanceof UnconfirmedError)) throw error;
    }
  }
}
