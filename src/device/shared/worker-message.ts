/** What a page tells the service worker. With a port, the worker answers there with a `WorkerAnswer`. */
export interface PageMessage {
  type: 'supapush';
  /** `hello`: asks for the version. `flush`: send what waits. `clear`: close what is shown, it was for another user. */
  event: 'hello' | 'flush' | 'clear';
}

/** What our push handler answers; a worker without it says nothing. */
export interface WorkerAnswer {
  type: 'supapush';
  /** Of what pages and the worker say to each other. */
  version: number;
}

export const WORKER_VERSION = 1;

/** What the worker asks a page after a click; the page answers at the port with an `OpenAnswer`. */
export interface OpenQuestion {
  type: 'supapush';
  event: 'open';
  /** Absolute, and within the worker's scope. */
  url: string;
  /** Milliseconds since 1970: a page that was frozen until later stays as it is, since another window has been opened. */
  until: number;
}

/** Whether the page goes there by itself. If not, it stays as it is, since the user may be typing in it. */
export interface OpenAnswer {
  opens: boolean;
}
