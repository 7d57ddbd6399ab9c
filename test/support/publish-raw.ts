import { once } from 'node:events';
import { connect } from 'node:net';

/** Past the client library, which refuses header names that the server takes. Resolves when the server has it. */
export async function publishRaw(server: { readonly port: number }, subject: string, header: string, body: string): Promise<void> {
  const socket = connect(server.port, '127.0.0.1');
  const size = Buffer.byteLength(header);
  socket.write(`CONNECT {"headers":true,"verbose":false}\r\n`);
  socket.write(`HPUB ${subject} ${size} ${size + Buffer.byteLength(body)}\r\n${header}${body}\r\nPING\r\n`);
  for (let said = ''; !said.includes('PONG'); ) said += String((await once(socket, 'data'))[0]);
  socket.destroy();
}
