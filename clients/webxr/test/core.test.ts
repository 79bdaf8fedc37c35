/** The reader on the golden bytes that all languages share, and the jitter buffer's laws. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { ClockSync, JitterBuffer, slerp } from '../src/timing';
import { decodePose, decodeState, encodeDevices, encodeHello, WireError, type Frame } from '../src/wire';

const GOLDEN = process.env.TWINSDK_GOLDEN ?? '../../tests/golden/wire';
const message = (name: string) => new Uint8Array(readFileSync(`${GOLDEN}/${name}.bin`));

function facts(name: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const line of readFileSync(`${GOLDEN}/${name}.txt`, 'utf8').trim().split('\n')) {
    const space = line.indexOf(' ');
    const key = space < 0 ? line : line.slice(0, space);
    found.set(key, [...(found.get(key) ?? []), space < 0 ? '' : line.slice(space + 1)]);
  }
  return found;
}

const numbers = (text: string) => text.split(' ').map(Number);

function near(ours: ArrayLike<number>, theirs: number[], tolerance: number): void {
  assert.equal(ours.length, theirs.length);
  theirs.forEach((value, i) => assert.ok(Math.abs(ours[i] - value) <= tolerance, `${i}: ${ours[i]} ${value}`));
}

for (const name of ['float32', 'packed48', 'packed32']) {
  test(`the golden ${name} pose decodes to its facts`, () => {
    const said = facts(name);
    const frame = decodePose(message(name));
    assert.equal(frame.codec, Number(said.get('codec')![0]));
    assert.equal(frame.session, BigInt(said.get('session')![0]));
    assert.equal(frame.descriptor, BigInt(said.get('descriptor')![0]));
    assert.equal(frame.avatar, Number(said.get('avatar')![0]));
    assert.equal(frame.sequence, Number(said.get('sequence')![0]));
    assert.equal(frame.captureNs, BigInt(said.get('t_capture_ns')![0]));
    assert.equal(frame.sendNs, BigInt(said.get('t_send_ns')![0]));
    assert.equal(frame.state, Number(said.get('state')![0]));
    assert.equal(frame.confidence, Number(said.get('confidence')![0]));
    near(frame.root, numbers(said.get('root')![0]), 0);
    said.get('rotation')!.forEach((line, j) => {
      const q = numbers(line);
      const ours = frame.rotations.subarray(4 * j, 4 * j + 4);
      const sign = Math.sign(q.reduce((sum, value, i) => sum + value * ours[i], 0));
      near(ours.map((value) => value * sign), q, 1e-6);
    });
    near(frame.expressions, numbers(said.get('expressions')![0]), 1e-6);
    near(frame.jointConfidence, numbers(said.get('joint_confidence')![0]), 1e-6);
  });
}

test('the golden descriptor and greetings decode to their facts', () => {
  const said = facts('descriptor');
  const found = decodeState(message('descriptor'));
  assert.ok(found.kind === 'descriptor');
  const { descriptor } = found;
  assert.equal(descriptor.hash, BigInt(said.get('hash')![0]));
  assert.deepEqual(descriptor.joints.map((joint) => joint.name), said.get('joint'));
  assert.deepEqual(descriptor.joints.map((joint) => joint.role), said.get('role'));
  assert.deepEqual(descriptor.joints.map((joint) => joint.parent), said.get('parent')!.map(Number));
  assert.deepEqual(descriptor.joints.map((joint) => joint.translation), said.get('translation')!.map(numbers));
  assert.deepEqual(descriptor.joints.map((joint) => joint.rotation), said.get('rest_rotation')!.map(numbers));
  assert.deepEqual(descriptor.expressions, said.get('expression'));
  const welcome = decodeState(message('welcome'));
  assert.ok(welcome.kind === 'welcome');
  assert.deepEqual([...welcome.avatars[0].newest!], [...message('packed48')]);
  assert.equal(welcome.avatars[1].newest, null);
  const pong = decodeState(message('pong'));
  assert.deepEqual(pong, { kind: 'pong', t0: 1_000_000_000_123n, t1: -5n, t2: 1_000_000_456_789n });
});

test('the former minor version is read, a later one as far as it is known', () => {
  const before = decodePose(message('former/packed48'));
  assert.deepEqual([...before.rotations], [...decodePose(message('packed48')).rotations]);
  const welcome = decodeState(message('former/welcome'));
  assert.ok(welcome.kind === 'welcome' && welcome.avatars.length === 2);
  const descriptor = decodeState(message('former/descriptor'));
  assert.ok(descriptor.kind === 'descriptor' && descriptor.descriptor.joints.length === 6);
  assert.deepEqual(decodeState(message('later_pong')), decodeState(message('pong')));
  assert.throws(() => decodeState(message('later_kind')), WireError);
});

test('another major version is refused in words', () => {
  assert.throws(() => decodePose(message('other_major')), /expected wire version 1, got 2.*update/);
});

test('damaged messages are refused and never read beyond', () => {
  const whole = message('packed48');
  for (let cut = 0; cut < whole.length; cut += 3) {
    assert.throws(() => decodePose(whole.subarray(0, cut)));
  }
  const other = whole.slice();
  other[3] = 2;
  assert.throws(() => decodePose(other), /expected wire version 1, got 2/);
});

test('what we write carries the identifier of the state plane', () => {
  for (const data of [encodeHello('x'), encodeDevices(1n, [])]) {
    assert.equal(Buffer.from(data.subarray(4, 8)).toString(), 'TWNS');
  }
});

function frameAt(ms: number): Frame {
  const half = ms / 1000;
  return {
    avatar: 0, sequence: 0, session: 1n, descriptor: 1n, captureNs: 0n, sendNs: 0n, codec: 0, state: 0,
    confidence: 1, root: [ms / 1000, 0, 0], rotations: Float32Array.of(0, Math.sin(half), 0, Math.cos(half)),
    expressions: new Float32Array(52), jointConfidence: new Float32Array(1), bytes: 0,
  };
}

test('the jitter buffer shows even motion and never steps back', () => {
  const buffer = new JitterBuffer();
  let seed = 1;
  const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  const arrivals = Array.from({ length: 600 }, (_, i) => {
    const captured = (i * 1000) / 60;
    return { captured, at: captured + 20 - 8 * Math.log(random()) };
  }).sort((a, b) => a.at - b.at);
  const roots: number[] = [];
  let newest = -1;
  for (let tick = 0; tick < 9000; tick += 1000 / 90) {
    while (arrivals.length && arrivals[0].at <= tick) {
      const { captured, at } = arrivals.shift()!;
      if (captured > newest) buffer.add(frameAt((newest = captured)), captured, at);
    }
    const pose = buffer.sample(tick);
    if (pose) roots.push(pose.root[0]);
  }
  const steps = roots.slice(60).map((x, i) => (roots[i + 61] ?? x) - x).slice(0, -1);
  assert.ok(Math.min(...steps) >= -1e-9);
  const off = steps.map((step) => Math.abs(step - 1 / 90)).sort((a, b) => a - b);
  assert.ok(off[Math.floor(off.length * 0.95)] < 0.0012);
});

test('slerp meets its ends and the middle of the arc', () => {
  const a = Float32Array.of(0, 0, 0, 1);
  const b = Float32Array.of(0, 1, 0, 0);
  near(slerp(a, b, 0), [0, 0, 0, 1], 1e-6);
  near(slerp(a, b, 1), [0, 1, 0, 0], 1e-6);
  near(slerp(a, b, 0.5), [0, Math.SQRT1_2, 0, Math.SQRT1_2], 1e-6);
});

test('the clock offset is that of the quickest answer', () => {
  const sync = new ClockSync();
  sync.add(0, 1050, 1050, 200);
  sync.add(300, 1310, 1310, 320);
  assert.deepEqual(sync.best, { offset: 1000, uncertainty: 10 });
  assert.equal(sync.toLocal(1500), 500);
});
