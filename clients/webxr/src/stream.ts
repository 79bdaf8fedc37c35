/** The connection: greets, keeps time, drops what is old, comes back when it was lost. */

import { ClockSync, JitterBuffer } from './timing';
import {
  decodePose, decodeState, encodeDevices, encodeHello, encodePing, encodeRequest, encodeStatistics, isPose,
  VersionError, WireError, type Descriptor, type DevicePose, type Frame,
} from './wire';

export interface TwinTrack {
  avatar: number;
  descriptor: Descriptor | null;
  buffer: JitterBuffer;
  newest: Frame | null;
}

const RETRY_MS = 250;
const MAX_RETRY_MS = 2000;
const nowNs = () => BigInt(Math.round(performance.now() * 1e6));

export class TwinStream {
  readonly tracks = new Map<number, TwinTrack>();
  readonly sync = new ClockSync();
  received = 0;
  lost = 0;
  malformed = 0;
  reconnects = 0;
  refusal = '';
  ages: number[] = [];
  arrivals: number[] = [];
  onHaptic: (device: number, amplitude: number, durationS: number) => void = () => {};
  onDescriptor: (descriptor: Descriptor) => void = () => {};

  private socket: WebSocket | null = null;
  private descriptors = new Map<bigint, Descriptor>();
  private asked = new Map<bigint, number>();
  private retryMs = RETRY_MS;
  private closed = false;
  private told = 0;
  private readonly pinging: number;

  constructor(private readonly address: string, private readonly name: string) {
    this.connect();
    let count = 0;
    this.pinging = window.setInterval(() => {
      if (count++ < 10 || count % 10 === 0) this.send(encodePing(nowNs()));
      if (count % 10 === 5) this.report();
    }, 100);
    // Entering VR or a phone waking up may have cut the line without a word.
    document.addEventListener('visibilitychange', () => this.revive());
  }

  get live(): boolean {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  /** Connect again at once if the line is not open. */
  revive(): void {
    if (this.socket && this.socket.readyState > WebSocket.OPEN) {
      this.retryMs = RETRY_MS;
      this.connect();
    }
  }

  close(): void {
    this.closed = true;
    window.clearInterval(this.pinging);
    this.socket?.close();
  }

  sendDevices(devices: DevicePose[]): void {
    this.send(encodeDevices(nowNs(), devices));
  }

  /** Tell how the stream arrives here, where any of it did since the last time. */
  private report(): void {
    if (this.received === this.told || this.ages.length === 0) return;
    this.told = this.received;
    const ages = [...this.ages].sort((a, b) => a - b);
    this.send(encodeStatistics({
      received: this.received,
      lost: this.lost,
      ageP50Ms: ages[Math.floor(ages.length / 2)],
      ageP99Ms: ages[Math.floor(ages.length * 0.99)],
      heldMs: performance.now() - this.arrivals[this.arrivals.length - 1],
    }));
  }

  private connect(): void {
    const socket = new WebSocket(this.address);
    socket.binaryType = 'arraybuffer';
    this.socket = socket;
    socket.onopen = () => {
      this.retryMs = RETRY_MS;
      this.asked.clear();
      this.send(encodeHello(this.name));
      for (let i = 0; i < 4; i++) this.send(encodePing(nowNs()));
    };
    socket.onmessage = (event) => this.hear(new Uint8Array(event.data as ArrayBuffer));
    socket.onclose = () => {
      if (this.closed || this.socket !== socket) return;
      window.setTimeout(() => {
        if (this.socket !== socket || this.closed) return;
        this.reconnects++;
        this.connect();
      }, this.retryMs);
      this.retryMs = Math.min(MAX_RETRY_MS, this.retryMs * 2);
    };
  }

  private send(data: Uint8Array): void {
    // What the network has not taken yet would only arrive late.
    if (this.live && this.socket!.bufferedAmount < 65536) this.socket!.send(data as Uint8Array<ArrayBuffer>);
  }

  private hear(data: Uint8Array): void {
    try {
      if (isPose(data)) this.takePose(data);
      else this.takeState(data);
    } catch (error) {
      // Bad offsets in a FlatBuffer end as RangeError.
      if (!(error instanceof WireError || error instanceof RangeError || error instanceof TypeError)) throw error;
      this.malformed++;
      if (error instanceof VersionError) this.refusal = error.message;
    }
  }

  private takePose(data: Uint8Array): void {
    const frame = decodePose(data);
    const now = performance.now();
    let track = this.tracks.get(frame.avatar);
    if (!track) {
      track = { avatar: frame.avatar, descriptor: null, buffer: new JitterBuffer(), newest: null };
      this.tracks.set(frame.avatar, track);
    }
    const known = this.descriptors.get(frame.descriptor);
    if (!known) {
      if (now - (this.asked.get(frame.descriptor) ?? -1000) > 250) {
        this.asked.set(frame.descriptor, now);
        this.send(encodeRequest(frame.descriptor));
      }
      return;
    }
    if (known.joints.length * 4 !== frame.rotations.length) throw new WireError('another joint count');
    track.descriptor = known;
    const last = track.newest;
    if (last && last.session === frame.session) {
      if (frame.sendNs <= last.sendNs) return;
      const step = (frame.sequence - last.sequence) >>> 0;
      if (step > 0 && step < 2 ** 31) this.lost += step - 1;
    } else if (last) {
      this.sync.reset();
    }
    track.newest = frame;
    this.received++;
    const captured = this.sync.toLocal(Number(frame.captureNs) / 1e6);
    if (this.sync.best) {
      this.ages.push(now - captured);
      if (this.ages.length > 240) this.ages.shift();
      track.buffer.add(frame, captured, now);
    }
    this.arrivals.push(now);
    while (this.arrivals.length && this.arrivals[0] < now - 1000) this.arrivals.shift();
  }

  private takeState(data: Uint8Array): void {
    const message = decodeState(data);
    if (message.kind === 'pong') {
      const ms = (ns: bigint) => Number(ns) / 1e6;
      this.sync.add(ms(message.t0), ms(message.t1), ms(message.t2), performance.now());
    } else if (message.kind === 'descriptor') {
      this.descriptors.set(message.descriptor.hash, message.descriptor);
      this.onDescriptor(message.descriptor);
    } else if (message.kind === 'welcome') {
      this.refusal = '';
      for (const entry of message.avatars) if (entry.newest) this.takePose(entry.newest);
    } else if (message.kind === 'haptic') {
      this.onHaptic(message.device, message.amplitude, message.durationS);
    } else {
      this.refusal = message.reason;
    }
  }
}
