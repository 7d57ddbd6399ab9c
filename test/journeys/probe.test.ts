import { it } from 'vitest';
import { connect } from '@nats-io/transport-node';
import { installation } from '../support/almanac-process.ts';
import { startTestServer } from '../support/nats-server.ts';
import { generateVault } from '../support/generate-vault.ts';
it('measures', async () => {
  await using server = await startTestServer();
  for (const [files, blocks] of [[1000, 4], [2000, 4], [600,10]] as const) {
  await using home = await installation({ NATS_URL: server.url, ENABLE_MONITORING: 'false' });
  const vault = home.folder.path + '/vault';
  generateVault(vault, { files, blocksPerFile: blocks, seed: 'x' });
  const nc = await connect({ servers: server.url });
  const times: string[] = [];
  const t0 = performance.now();
  nc.subscribe('evt.run.>', { callback: (_, m) => { times.push(`${m.json<any>().data.to}@${(performance.now() - t0).toFixed(0)}`); } });
  const p = await home.start('--vault', vault, '--no-first-sync');
  console.log(files, blocks, 'started', (performance.now() - t0).toFixed(0));
  for (const k of ['a', 'b']) { const r = await home.run('run', 'start', 'vault-sync', '--wait', '-o', 'json'); console.log(r.code); }
  console.log(times.join(' '));
  const t1 = performance.now();
  await p.kill('SIGINT'); console.log('stopped in', performance.now() - t1);
  await nc.close();
  }
}, 60000);
