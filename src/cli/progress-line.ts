import type { Progress } from '../domain/activity.ts';

/** One line on stderr that is written over; nothing where nobody looks. */
export function progressLine(): { show(activity: string, progress: Progress): void; clear(): void } {
  const screen = process.stderr;
  if (!screen.isTTY) return { show() {}, clear() {} };
  const put = (text: string) => screen.write(`\r\u001b[K${text}`);
  return {
    show(activity, { done, total, note }) {
      const share = total ? ` ${Math.floor((100 * done) / total)} %` : '';
      put(`${activity}: ${done}${total === undefined ? '' : ` of ${total}`} ${note ?? ''}${share}`.slice(0, (screen.columns || 80) - 1));
    },
    clear: () => put(''),
  };
}
