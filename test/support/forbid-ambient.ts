/** Makes hidden time and randomness throw while `code` runs: a transition may only see what it was given (invariant 7). */
export function forbidAmbient<Result>(code: () => Result): Result {
  const RealDate = globalThis.Date;
  const real = { now: RealDate.now, random: Math.random, performanceNow: performance.now, randomUUID: crypto.randomUUID };
  const forbidden = (what: string) => (): never => {
    throw new Error(`${what} inside a transition: use now() or random()`);
  };
  RealDate.now = forbidden('Date.now()');
  Math.random = forbidden('Math.random()');
  performance.now = forbidden('performance.now()');
  crypto.randomUUID = forbidden('crypto.randomUUID()');
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, args) => (args.length === 0 ? forbidden('new Date()')() : (Reflect.construct(target, args) as object)),
  });
  try {
    return code();
  } finally {
    globalThis.Date = RealDate;
    RealDate.now = real.now;
    Math.random = real.random;
    performance.now = real.performanceNow;
    crypto.randomUUID = real.randomUUID;
  }
}
