/** Clock offset and jitter buffer, as twinsdk/bridge/clock_sync.py and jitter.py have them. */

import type { Frame } from './wire';

/** Publisher's clock minus ours, from the quickest of the last sixteen answers; milliseconds. */
export class ClockSync {
  private samples: { delay: number; offset: number }[] = [];

  add(t0: number, t1: number, t2: number, t3: number): void {
    const delay = t3 - t0 - (t2 - t1);
    if (delay < 0 || t2 < t1) return;
    this.samples.push({ delay, offset: (t1 - t0 + (t2 - t3)) / 2 });
    if (this.samples.length > 16) this.samples.shift();
  }

  reset(): void {
    this.samples = [];
  }

  get best(): { offset: number; uncertainty: number } | null {
    if (this.samples.length === 0) return null;
    const least = this.samples.reduce((a, b) => (b.delay < a.delay ? b : a));
    return { offset: least.offset, uncertainty: least.delay / 2 };
  }

  toLocal(publisherMs: number): number {
    return publisherMs - (this.best?.offset ?? 0);
  }
}

export interface Pose {
  frame: Frame;
  root: [number, number, number];
  rotations: Float32Array;
  expressions: Float32Array;
}

const SLEW = 0.1;
const GAP_MS = 1000;

/** Frames that come unevenly, shown evenly on the timeline of their capture; never a step back. */
export class JitterBuffer {
  private times: number[] = [];
  private frames: Frame[] = [];
  private lateness: number[] = [];
  private steps: number[] = [];
  private delay: number | null = null;
  private shown = 0;
  private sampled = 0;
  held = 0;
  interpolated = 0;

  add(frame: Frame, capturedMs: number, nowMs: number): void {
    const last = this.times[this.times.length - 1];
    if (last !== undefined) {
      const step = capturedMs - last;
      if (Math.abs(step) > GAP_MS || frame.descriptor !== this.frames[0].descriptor) this.reset();
      else if (step <= 0) return;
      else push(this.steps, step);
    }
    push(this.lateness, nowMs - capturedMs);
    this.times.push(capturedMs);
    this.frames.push(frame);
  }

  get delayMs(): number {
    return this.delay ?? 0;
  }

  sample(nowMs: number): Pose | null {
    if (this.times.length === 0) return null;
    this.shown = Math.max(this.shown, nowMs - this.currentDelay(nowMs), this.times[0]);
    let after = this.times.findIndex((time) => time > this.shown);
    if (after < 0) after = this.times.length;
    if (after > 1) {
      this.times.splice(0, after - 2);
      this.frames.splice(0, after - 2);
      after = Math.min(after, 2);
    }
    const last = this.times.length - 1;
    if (after <= last) {
      this.interpolated++;
      return this.between(after - 1, this.shown);
    }
    if (last === 0) return whole(this.frames[0]);
    const limit = this.interval();
    const ahead = this.shown - this.times[last];
    if (ahead > limit) this.held++;
    return this.between(last - 1, this.times[last] + Math.min(ahead, limit));
  }

  private reset(): void {
    this.times = [];
    this.frames = [];
    this.lateness = [];
    this.steps = [];
    this.delay = null;
    this.shown = 0;
  }

  private currentDelay(nowMs: number): number {
    const wanted = quantile(this.lateness, 0.95) + 1.5 * this.interval();
    if (this.delay === null) this.delay = wanted;
    else {
      const most = SLEW * Math.max(0, nowMs - this.sampled);
      this.delay += Math.min(Math.max(wanted - this.delay, -most), most);
    }
    this.sampled = nowMs;
    return this.delay;
  }

  private interval(): number {
    return this.steps.length ? quantile(this.steps, 0.5) : 0;
  }

  private between(first: number, atMs: number): Pose {
    const a = this.frames[first];
    const b = this.frames[first + 1];
    const amount = (atMs - this.times[first]) / (this.times[first + 1] - this.times[first]);
    const mixed = Math.min(amount, 1);
    const mix = (x: number, y: number, t: number) => x + t * (y - x);
    return {
      frame: amount >= 0.5 ? b : a,
      root: [0, 1, 2].map((i) => mix(a.root[i], b.root[i], amount)) as [number, number, number],
      rotations: slerp(a.rotations, b.rotations, amount),
      expressions: a.expressions.map((value, i) => mix(value, b.expressions[i], mixed)),
    };
  }
}

function whole(frame: Frame): Pose {
  return { frame, root: frame.root, rotations: frame.rotations, expressions: frame.expressions };
}

function push(list: number[], value: number): void {
  list.push(value);
  if (list.length > 120) list.shift();
}

function quantile(values: number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = q * (sorted.length - 1);
  const low = Math.floor(place);
  const high = Math.ceil(place);
  return sorted[low] + (place - low) * (sorted[high] - sorted[low]);
}

/** Shortest-arc interpolation of quaternions xyzw, four numbers each. */
export function slerp(a: Float32Array, b: Float32Array, t: number): Float32Array {
  const out = new Float32Array(a.length);
  for (let i = 0; i < a.length; i += 4) {
    let cosine = a[i] * b[i] + a[i + 1] * b[i + 1] + a[i + 2] * b[i + 2] + a[i + 3] * b[i + 3];
    const sign = cosine < 0 ? -1 : 1;
    cosine = Math.min(1, Math.abs(cosine));
    const theta = Math.acos(cosine);
    const sine = Math.sin(theta);
    const wa = sine < 1e-4 ? 1 - t : Math.sin((1 - t) * theta) / sine;
    const wb = (sine < 1e-4 ? t : Math.sin(t * theta) / sine) * sign;
    let length = 0;
    for (let k = i; k < i + 4; k++) {
      out[k] = wa * a[k] + wb * b[k];
      length += out[k] * out[k];
    }
    length = Math.sqrt(length);
    for (let k = i; k < i + 4; k++) out[k] /= length;
  }
  return out;
}
