/** Metrics of runs, served for Prometheus. Names mirror `cicd.pipeline.run.*` of the OpenTelemetry conventions; never a run id as a label. */
import { type Counter, type Gauge, type Histogram, metrics, type UpDownCounter } from '@opentelemetry/api';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { ConfigError } from '../../domain/errors.ts';
import { isFailure } from '../../domain/outcome.ts';
import type { BreakerState, DependencyObserver, RunObserver } from '../../runtime/ports.ts';

export interface Metrics {
  readonly observer: RunObserver;
  readonly dependencies: DependencyObserver;
  /** Where to scrape; undefined when monitoring is off. */
  readonly url?: string;
  close(): Promise<void>;
}

/** From a no-op to a night of work, in seconds. */
const DURATION_BOUNDARIES = [0.005, 0.05, 0.5, 1, 5, 15, 60, 300, 900, 3_600, 4 * 3_600];

/** @throws {ConfigError} The port is taken. */
export async function openMetrics(host: string, port: number): Promise<Metrics> {
  const exporter = new PrometheusExporter({ host, port, preventServerStart: true });
  const sdk = new NodeSDK({
    metricReaders: [exporter],
    instrumentations: [],
    serviceName: 'almanac',
    autoDetectResources: false, // the arguments of the process would be published, and with them the password of a NATS address
  });
  sdk.start();
  try {
    await exporter.startServer();
  } catch (cause) {
    await sdk.shutdown();
    throw new ConfigError(
      `metrics cannot listen on ${host}:${port}: ${(cause as Error).message}; set METRICS_PORT (0: a free one) or ENABLE_MONITORING=false`,
      { cause },
    );
  }
  return {
    observer: observerOn(),
    dependencies: dependencyObserverOn(),
    url: `http://${host}:${port}/metrics`,
    close: () => sdk.shutdown(),
  };
}

function observerOn(): RunObserver {
  const meter = metrics.getMeter('almanac');
  const duration: Histogram = meter.createHistogram('almanac.run.duration', {
    unit: 's',
    description: 'From the first event of a run to its last',
    advice: { explicitBucketBoundaries: DURATION_BOUNDARIES },
  });
  const active: UpDownCounter = meter.createUpDownCounter('almanac.run.active', {
    description: 'Runs that this process has started and that have not ended here',
  });
  const errors: Counter = meter.createCounter('almanac.run.errors', {
    description: 'Runs that ended in failure, and leases handed back because a run could not go on',
  });
  return {
    started: (jobType) => active.add(1, { 'job.type': jobType }),
    ended(jobType, outcome, durationMs) {
      active.add(-1, { 'job.type': jobType });
      duration.record(durationMs / 1_000, { 'job.type': jobType, outcome });
      if (isFailure(outcome)) errors.add(1, { 'job.type': jobType, 'error.type': outcome });
    },
    heldBack: (jobType) => errors.add(1, { 'job.type': jobType, 'error.type': 'held_back' }),
  };
}

const BREAKER_STATES: readonly BreakerState[] = ['closed', 'open', 'halfOpen'];

function dependencyObserverOn(): DependencyObserver {
  const meter = metrics.getMeter('almanac');
  const breaker: Gauge = meter.createGauge('almanac.dependency.breaker', {
    description: 'Of the states of a circuit breaker, the one it is in is 1 and the others are 0; absent until it first opened',
  });
  const refused: Counter = meter.createCounter('almanac.dependency.refused', {
    description: 'Calls that were not made because a circuit breaker was open or too many calls were going on',
  });
  return {
    breaker(dependency, current) {
      for (const state of BREAKER_STATES) breaker.record(state === current ? 1 : 0, { dependency, state });
    },
    refused: (dependency, by) => refused.add(1, { dependency, by }),
  };
}
