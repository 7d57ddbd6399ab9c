/** A place where the server's binary can come from. */

export type SourceName = 'NATS_SERVER' | 'PATH' | 'cache' | 'release' | 'go install' | 'Debian package';

export type Search = {
  env: NodeJS.ProcessEnv;
  cacheDir: string;
  /** Told before anything slow. */
  report: (text: string) => void;
};

/** How old a server may be, and why, where that is not simply the minimum. */
export type Requirement = { atLeast: string; because?: string };

export type Source = {
  name: SourceName;
  /** Downloads or builds: at most one process on the machine does this at a time. */
  installs: boolean;
  /** Paths worth trying, best first; none when this source has nothing. Rejects with the reason, for a person, when it should have had one. */
  look(search: Search): Promise<readonly string[]>;
  /** What to say when it found nothing. */
  nothing: string;
};
