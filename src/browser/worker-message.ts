/** What a page tells the service worker. With a port, the worker answers there with a `WorkerAnswer`. */
export interface PageMessage {
  type: 'supapush';
  /** `hello`: who are you? `flush`: send what waits. `clear`: take from the screen what is shown, it was for somebody else. */
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
}

/** Whether the page goes there by itself. If not, it wants to stay as it is: somebody may be writing in it. */
export interface OpenAnswer {
  opens: boolean;
}
