/** The numbers beside the twin, and the inspector of joints and expressions. */

import type { TwinStream, TwinTrack } from './stream';
import type { Pose } from './timing';

const STATES = ['tracking', 'partial', 'holding', 'idle', 'generated'];
const CODECS = ['float32', 'packed48', 'packed32'];
const element = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;

export class Panel {
  private rows: { bar: HTMLElement; value: HTMLElement }[] = [];
  private jointRows: HTMLElement[] = [];
  private built = '';
  private last = 0;

  constructor(private readonly stream: TwinStream) {
    const inspector = element('inspector');
    element('inspect').onclick = () => {
      inspector.hidden = !inspector.hidden;
      element('inspect').setAttribute('aria-expanded', String(!inspector.hidden));
    };
  }

  update(track: TwinTrack | undefined, pose: Pose | null): void {
    const now = performance.now();
    if (now - this.last < 100) return;
    this.last = now;
    const { stream } = this;
    const silent = stream.arrivals.length === 0;
    const status = stream.refusal ? 'refused' : !stream.live ? 'reconnecting' : silent ? 'waiting' : 'live';
    const chip = element('status');
    chip.textContent = stream.refusal || status;
    chip.dataset.status = status;
    const ages = [...stream.ages].sort((a, b) => a - b);
    const median = ages[Math.floor(ages.length / 2)];
    const total = stream.received + stream.lost;
    element('latency').textContent = median === undefined ? '–' : `${median.toFixed(0)} ms`;
    element('rate').textContent = `${stream.arrivals.length} fps`;
    element('loss').textContent = total ? `${((100 * stream.lost) / total).toFixed(1)} %` : '–';
    element('buffer').textContent = track ? `${track.buffer.delayMs.toFixed(0)} ms` : '–';
    if (!track?.descriptor || !pose) return;
    element('state').textContent = STATES[pose.frame.state];
    element('name').textContent = track.descriptor.name || `avatar ${track.avatar}`;
    element('codec').textContent = `${CODECS[pose.frame.codec]}, ${pose.frame.bytes} bytes`;
    if (!element('inspector').hidden) this.inspect(track, pose);
  }

  private inspect(track: TwinTrack, pose: Pose): void {
    const descriptor = track.descriptor!;
    const key = descriptor.hash.toString();
    if (this.built !== key) this.build(track);
    this.built = key;
    this.rows.forEach(({ bar, value }, i) => {
      bar.style.transform = `scaleX(${pose.expressions[i]})`;
      value.textContent = pose.expressions[i].toFixed(2);
    });
    this.jointRows.forEach((row, j) => {
      const w = Math.min(1, Math.abs(pose.rotations[4 * j + 3]));
      row.textContent = `${((2 * Math.acos(w) * 180) / Math.PI).toFixed(0)}°`;
      row.style.opacity = String(0.35 + 0.65 * pose.frame.jointConfidence[j]);
    });
  }

  private build(track: TwinTrack): void {
    const line = (parent: HTMLElement, name: string, withBar: boolean) => {
      const row = document.createElement('div');
      row.className = 'row';
      const label = document.createElement('span');
      label.textContent = name;
      const value = document.createElement('b');
      row.append(label, value);
      const bar = document.createElement('i');
      if (withBar) row.append(bar);
      parent.append(row);
      return { bar, value };
    };
    const faces = element('expressions');
    const joints = element('joints');
    faces.replaceChildren();
    joints.replaceChildren();
    this.rows = track.descriptor!.expressions.map((name) => line(faces, name, true));
    this.jointRows = track.descriptor!.joints.map((joint) => line(joints, joint.role || joint.name, false).value);
  }
}
