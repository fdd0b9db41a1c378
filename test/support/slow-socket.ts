import { connect } from 'node:net';

/** What came of a request whose body does not come to its end. */
export interface SlowAnswer {
  /** Null when there was none in time. */
  status: number | null;
  body: string;
  /** Until it was there. */
  milliseconds: number;
}

/**
 * Sends the head of a request and the first byte of its body, and then nothing more, as one does who wants to keep a server
 * busy; gives the answer, or none after so long.
 */
export function sendSlowly(
  port: number,
  options: { method?: string; path: string; headers?: Record<string, string>; forMs: number },
): Promise<SlowAnswer> {
  const { method = 'POST', path, headers = {}, forMs } = options;
  return new Promise((resolve) => {
    const began = performance.now();
    const socket = connect({ host: '127.0.0.1', port });
    let received = '';
    const end = () => {
      clearTimeout(timer);
      socket.destroy();
      const [head = '', body = ''] = received.split('\r\n\r\n', 2);
      const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]) || null;
      resolve({ status, body, milliseconds: performance.now() - began });
    };
    const timer = setTimeout(end, forMs);
    socket.setEncoding('utf8');
    socket.on('data', (text) => {
      received += text;
      const length = /\r\ncontent-length: (\d+)\r\n/i.exec(received)?.[1];
      if (length && received.length >= received.indexOf('\r\n\r\n') + 4 + Number(length)) end();
    });
    socket.on('error', end);
    socket.on('close', end);
    const fields = {
      host: '127.0.0.1',
      'content-type': 'application/json',
      'content-length': '1000',
      ...headers,
    };
    const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}`);
    socket.write(`${method} ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n{`);
  });
}
