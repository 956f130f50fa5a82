// The service's clock, and a stream that comes back by itself: after a proxy's error page, after sleep, after a restart.

const BEAT = 15000; // the service is silent for at most this time
const SILENT = 2.5 * BEAT;
const RETRY = [500, 1000, 2000, 4000, 8000];

// Ages are told by the service's clock. The browser's own clock may be wrong; only how fast it runs is used.
export class ServerClock {
  constructor() {
    this.time = null;
  }

  set({ time, speed }, heard = performance.now()) {
    this.time = Date.parse(time);
    this.speed = speed;
    this.heard = heard;
  }

  now() {
    return this.time === null ? null : this.time + (performance.now() - this.heard) * this.speed;
  }
}

// Calls `onNowcast` with the id of every publication, without one after a break, and `onBeat` with every heartbeat. `brokenFor` says for how long nothing works.
export class Stream {
  constructor(url, { onNowcast, onBeat }) {
    Object.assign(this, { url, onNowcast, onBeat });
    this.tries = 0;
    this.brokenSince = null;
    this.open();
  }

  open() {
    this.close();
    this.heard = performance.now();
    this.source = new EventSource(this.url);
    this.source.addEventListener('open', () => {
      // The service sends what is newer only; but it may have been started anew, with another page.
      const wasBroken = this.brokenSince !== null;
      this.works();
      if (wasBroken) this.onNowcast();
    });
    this.source.addEventListener('nowcast', (event) => {
      this.works();
      this.onNowcast(event.lastEventId);
    });
    this.source.addEventListener('heartbeat', (event) => {
      this.works();
      this.onBeat(JSON.parse(event.data));
    });
    this.source.addEventListener('error', () => {
      this.brokenSince ??= performance.now();
      // A browser gives a stream up for good when the answer is no stream, such as the error page of a proxy.
      if (this.source.readyState === EventSource.CLOSED) this.again();
    });
  }

  works() {
    this.heard = performance.now();
    this.brokenSince = null;
    this.tries = 0;
  }

  again() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.open(), RETRY[Math.min(this.tries++, RETRY.length - 1)]);
  }

  // A stream that is silent for too long is dead, even if nobody has said so.
  check() {
    if (performance.now() - this.heard < SILENT) return;
    this.brokenSince ??= this.heard;
    this.open();
  }

  get brokenFor() {
    return this.brokenSince === null ? 0 : performance.now() - this.brokenSince;
  }

  close() {
    clearTimeout(this.timer);
    this.source?.close();
  }
}
