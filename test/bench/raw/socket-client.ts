import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';

/** One delivered message. A view into the read buffer that is used again: valid only inside the callback that receives it. */
export interface Message {
  subject: string;
  /** Empty when the sender expects no reply. */
  reply: string;
  /** `100`, `404`, `503`, … from the header line of a status message; empty on an ordinary one. */
  status: string;
  /** The whole header block as it came; empty when there is none. */
  headers: string;
  text(encoding?: 'latin1' | 'utf8'): string;
}
type OnMessage = (message: Message) => void;

const READ_BUFFER_BYTES = 4 * 1024 * 1024;
const COMPACT_BELOW_BYTES = 256 * 1024;
const REPLY_SID = '1';
const LF = 10;

/**
 * The least NATS client that can drive JetStream: no reconnect, no TLS, ASCII payloads, one error ends it. It exists to show
 * what the socket and the server allow, so nothing here is fit for a product. An exception in a callback fails the connection.
 */
export class SocketClient {
  readonly #inbox = `_INBOX.${randomBytes(6).toString('hex')}.`;
  readonly #replies = new Map<number, OnMessage>();
  readonly #subscriptions = new Map<string, OnMessage>([[REPLY_SID, (message) => this.#takeReply(message)]]);
  readonly #waiting = new Set<(error: Error) => void>();
  readonly #pongs: (() => void)[] = [];
  readonly #socket: Socket;
  readonly #buffer = Buffer.allocUnsafe(READ_BUFFER_BYTES);
  #start = 0;
  #end = 0;
  #payloadStart = 0;
  #payloadEnd = 0;
  #lastSid = 1;
  #lastToken = 0;
  #outgoing = '';
  #failure: Error | undefined;
  readonly #message: Message = {
    subject: '',
    reply: '',
    status: '',
    headers: '',
    text: (encoding = 'latin1') => this.#buffer.toString(encoding, this.#payloadStart, this.#payloadEnd),
  };

  private constructor(url: URL) {
    this.#socket = connect({
      host: url.hostname,
      port: Number(url.port || 4222),
      noDelay: true,
      onread: { buffer: () => this.#freeSpace(), callback: (bytes) => this.#take(bytes) },
    });
    this.#socket.on('error', (error) => this.#fail(new Error(`connection to ${url.host} failed: ${error.message}`, { cause: error })));
    this.#socket.on('close', () => this.#fail(new Error(`connection to ${url.host} was closed`)));
    const account = url.username ? { user: decodeURIComponent(url.username), pass: decodeURIComponent(url.password) } : {};
    const options = { verbose: false, pedantic: false, headers: true, no_responders: true, lang: 'raw', version: '1', ...account };
    this.#write(`CONNECT ${JSON.stringify(options)}\r\nSUB ${this.#inbox}* ${REPLY_SID}\r\n`);
  }

  static async connect(url: string): Promise<SocketClient> {
    const client = new SocketClient(new URL(url));
    await client.flush();
    return client;
  }

  /** `headers` is a run of `Name: value\r\n` lines. */
  publish(subject: string, payload: string, headers = '', reply = ''): void {
    if (headers === '') {
      this.#write(`PUB ${subject} ${reply} ${payload.length}\r\n${payload}\r\n`);
      return;
    }
    const block = `NATS/1.0\r\n${headers}\r\n`;
    const total = block.length + payload.length;
    this.#write(`HPUB ${subject} ${reply} ${block.length} ${total}\r\n${block}${payload}\r\n`);
  }

  request(subject: string, payload: string, onReply: OnMessage, headers = ''): void {
    const token = ++this.#lastToken;
    this.#replies.set(token, onReply);
    this.publish(subject, payload, headers, this.#inbox + token);
  }

  /** @returns the subject to have messages sent to. */
  subscribe(onMessage: OnMessage): string {
    const sid = String(++this.#lastSid);
    const subject = `${this.#inbox}s.${sid}`;
    this.#subscriptions.set(sid, onMessage);
    this.#write(`SUB ${subject} ${sid}\r\n`);
    return subject;
  }

  /** A promise that the work settles, or the connection's failure rejects. */
  settled<T = void>(work: (resolve: (value: T) => void) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#failure) return reject(this.#failure);
      this.#waiting.add(reject);
      work((value) => {
        this.#waiting.delete(reject);
        resolve(value);
      });
    });
  }

  /** Resolves when the server has read everything written so far. */
  flush(): Promise<void> {
    return this.settled((resolve) => {
      this.#pongs.push(resolve);
      this.#write('PING\r\n');
    });
  }

  /** For the owner, when nothing that matters is under way: what still waits stays unsettled. */
  close(): void {
    this.#waiting.clear();
    this.#failure ??= new Error('this client was closed');
    this.#socket.destroy();
  }

  // All writes of one turn leave in one system call: microtasks run after the whole read has been taken.
  #write(frames: string): void {
    if (this.#outgoing === '') queueMicrotask(() => this.#send());
    this.#outgoing += frames;
  }

  #send(): void {
    this.#socket.write(this.#outgoing, 'latin1');
    this.#outgoing = '';
  }

  #fail(error: Error): false {
    this.#failure ??= error;
    this.#socket.destroy();
    for (const reject of this.#waiting) reject(this.#failure);
    this.#waiting.clear();
    return false;
  }

  #freeSpace(): Uint8Array {
    if (READ_BUFFER_BYTES - this.#end < COMPACT_BELOW_BYTES) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    return this.#buffer.subarray(this.#end);
  }

  #take(bytes: number): boolean {
    this.#end += bytes;
    try {
      while (this.#takeFrame());
      if (this.#start === this.#end) this.#start = this.#end = 0;
      return true;
    } catch (error) {
      return this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** @returns false when the rest of the frame has not arrived. */
  #takeFrame(): boolean {
    const from = this.#start;
    let lineEnd = from;
    while (lineEnd < this.#end && this.#buffer[lineEnd] !== LF) lineEnd++;
    if (lineEnd === this.#end) return false;
    const fields = this.#buffer.toString('latin1', from, lineEnd - 1).split(' ');
    const [verb, subject = '', sid = ''] = fields;
    if (verb === 'MSG' || verb === 'HMSG') {
      const headed = verb === 'HMSG';
      const bodyStart = lineEnd + 1;
      const bodyEnd = bodyStart + Number(fields[fields.length - 1]);
      if (bodyEnd + 2 > this.#end) return false;
      const headerBytes = headed ? Number(fields[fields.length - 2]) : 0;
      this.#start = bodyEnd + 2;
      this.#payloadStart = bodyStart + headerBytes;
      this.#payloadEnd = bodyEnd;
      const message = this.#message;
      message.subject = subject;
      message.reply = fields.length === (headed ? 6 : 5) ? (fields[3] ?? '') : '';
      message.headers = headed ? this.#buffer.toString('latin1', bodyStart, this.#payloadStart) : '';
      message.status = message.headers.startsWith('NATS/1.0 ') ? message.headers.slice(9, 12) : '';
      this.#subscriptions.get(sid)?.(message);
      return true;
    }
    this.#start = lineEnd + 1;
    if (verb === 'PING') this.#write('PONG\r\n');
    else if (verb === 'PONG') this.#pongs.shift()?.();
    else if (verb === '-ERR') throw new Error(`the server refused: ${fields.slice(1).join(' ')}`);
    else if (verb !== 'INFO' && verb !== '+OK') throw new Error(`not a NATS frame: ${fields.join(' ').slice(0, 80)}`);
    return true;
  }

  #takeReply(message: Message): void {
    const token = Number(message.subject.slice(this.#inbox.length));
    const onReply = this.#replies.get(token);
    this.#replies.delete(token);
    onReply?.(message);
  }
}
