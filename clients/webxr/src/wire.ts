/** Pose and state messages of twinsdk, checked; see docs/wire.md. No three.js here. */

import * as flatbuffers from 'flatbuffers';

import {
  AvatarDescriptor, Body, ClientStatistics, DescriptorRequest, Device, DevicePoses, Envelope, Haptic, Hello, Ping, Pong,
  Quat, Refusal, Vec3, Welcome,
} from './generated/twin_generated';
import { PoseFrame } from './generated/twin/wire/pose-frame'; // flatc 2.0.8 leaves it out of the list

export const VERSION = 1;
const PREFIX_BYTES = 16;
const MAX_JOINTS = 4096;

/** One twin at one instant. Rotations are parent_from_joint xyzw, replacing the rest rotation. */
export interface Frame {
  avatar: number;
  sequence: number;
  session: bigint;
  descriptor: bigint;
  captureNs: bigint;
  sendNs: bigint;
  codec: number;
  state: number;
  confidence: number;
  root: [number, number, number];
  rotations: Float32Array; // joints * 4
  expressions: Float32Array;
  jointConfidence: Float32Array;
  bytes: number;
}

export interface JointInfo {
  name: string;
  role: string;
  parent: number;
  translation: [number, number, number];
  rotation: [number, number, number, number];
}

export interface Descriptor {
  hash: bigint;
  name: string;
  joints: JointInfo[];
  expressions: string[];
  morphs: string[];
}

export type StateMessage =
  | { kind: 'welcome'; session: bigint; nowNs: bigint; avatars: { avatar: number; newest: Uint8Array | null }[] }
  | { kind: 'descriptor'; descriptor: Descriptor }
  | { kind: 'pong'; t0: bigint; t1: bigint; t2: bigint }
  | { kind: 'haptic'; device: number; amplitude: number; durationS: number }
  | { kind: 'refusal'; reason: string };

export interface DevicePose {
  kind: number; // 0 head, 1 left hand, 2 right hand
  position: [number, number, number];
  rotation: [number, number, number, number];
  buttons: number[];
}

/** A message that makes no sense; it is dropped and counted. */
export class WireError extends Error {}

/** A message of another major version: everything of this stream will be refused. */
export class VersionError extends WireError {}

export function isPose(data: Uint8Array): boolean {
  return data.length >= 3 && data[0] === 0x54 && data[1] === 0x57 && data[2] === 0x4e;
}

export function decodePose(data: Uint8Array): Frame {
  if (!isPose(data) || data.length < PREFIX_BYTES + 12) throw new WireError('not a pose message');
  if (data[3] !== VERSION) {
    throw new VersionError(`expected wire version ${VERSION}, got ${data[3]}; reload the page or update the sender`);
  }
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const avatar = view.getUint32(4, true);
  const sequence = view.getUint32(8, true);
  const codec = view.getUint16(14, true);
  if (String.fromCharCode(...data.subarray(20, 24)) !== 'TWNP') throw new WireError('not a pose');
  // A copy of its own: typed-array views of the FlatBuffer need its start aligned.
  const body = data.slice(PREFIX_BYTES);
  const pose = PoseFrame.getRootAsPoseFrame(new flatbuffers.ByteBuffer(body));
  if (pose.avatar() !== avatar || pose.sequence() !== sequence) {
    throw new WireError('the prefix and the body disagree');
  }
  const rotations = readRotations(pose, codec);
  const joints = rotations.length / 4;
  if (joints < 1 || joints > MAX_JOINTS) throw new WireError(`expected 1 to ${MAX_JOINTS} joints`);
  const root = pose.root();
  const confidence = pose.confidence();
  const place: [number, number, number] = root ? [root.x(), root.y(), root.z()] : [0, 0, 0];
  if (!place.every(Number.isFinite) || !(confidence >= 0 && confidence <= 1) || pose.state() > 4) {
    throw new WireError('a value is out of range');
  }
  return {
    avatar,
    sequence,
    session: pose.session(),
    descriptor: pose.descriptor(),
    captureNs: pose.tCaptureNs(),
    sendNs: pose.tSendNs(),
    codec,
    state: pose.state(),
    confidence,
    root: place,
    rotations,
    expressions: codec === 0 ? inside(pose.expressionsF32Array()) : fromBytes(pose.expressionsU8Array()),
    jointConfidence: confidences(pose.jointConfidenceArray(), joints, confidence),
    bytes: data.length,
  };
}

function readRotations(pose: PoseFrame, codec: number): Float32Array {
  if (codec === 0) {
    const stored = pose.rotationsF32Array();
    if (!stored || stored.length % 4) throw new WireError('no float32 rotations');
    const out = Float32Array.from(stored);
    for (let i = 0; i < out.length; i += 4) {
      const length = Math.hypot(out[i], out[i + 1], out[i + 2], out[i + 3]);
      if (!(Math.abs(length - 1) < 2e-3)) throw new WireError('a rotation is not unit');
    }
    return out;
  }
  if (codec === 1) {
    const words = pose.rotations48Array();
    if (!words || words.length % 3) throw new WireError('no 48-bit rotations');
    const out = new Float32Array((words.length / 3) * 4);
    for (let i = 0, j = 0; i < words.length; i += 3, j += 4) {
      const dropped = ((words[i] >> 15) << 1) | (words[i + 1] >> 15);
      restore(out, j, dropped, words[i] & 0x7fff, words[i + 1] & 0x7fff, words[i + 2] & 0x7fff, 32767);
    }
    return out;
  }
  if (codec === 2) {
    const words = pose.rotations32Array();
    if (!words) throw new WireError('no 32-bit rotations');
    const out = new Float32Array(words.length * 4);
    for (let i = 0; i < words.length; i++) {
      const w = words[i];
      restore(out, 4 * i, w >>> 30, (w >>> 20) & 1023, (w >>> 10) & 1023, w & 1023, 1023);
    }
    return out;
  }
  throw new WireError(`expected codec 0, 1 or 2, got ${codec}`);
}

/** Smallest three: the dropped component is what is missing to unit length. */
function restore(
  out: Float32Array, at: number, dropped: number, a: number, b: number, c: number, steps: number,
): void {
  const kept = [a, b, c].map((stored) => (stored / steps - 0.5) * Math.SQRT2);
  const square = kept[0] ** 2 + kept[1] ** 2 + kept[2] ** 2;
  const scale = square > 1 ? 1 / Math.sqrt(square) : 1;
  for (let i = 0, k = 0; i < 4; i++) {
    out[at + i] = i === dropped ? Math.sqrt(Math.max(0, 1 - square)) : kept[k++] * scale;
  }
}

function fromBytes(stored: Uint8Array | null): Float32Array {
  return stored ? Float32Array.from(stored, (value) => value / 255) : new Float32Array(0);
}

function inside(stored: Float32Array | null): Float32Array {
  const out = stored ? Float32Array.from(stored) : new Float32Array(0);
  if (!out.every((value) => value >= 0 && value <= 1)) throw new WireError('an expression is outside [0, 1]');
  return out;
}

function confidences(stored: Uint8Array | null, joints: number, all: number): Float32Array {
  if (!stored || stored.length === 0) return new Float32Array(joints).fill(all);
  if (stored.length !== joints) throw new WireError('joint confidence of another length');
  return fromBytes(stored);
}

export function decodeState(data: Uint8Array): StateMessage {
  const buffer = new flatbuffers.ByteBuffer(data.slice());
  if (data.length < 8 || !Envelope.bufferHasIdentifier(buffer)) throw new WireError('not a state message');
  const envelope = Envelope.getRootAsEnvelope(buffer);
  switch (envelope.bodyType()) {
    case Body.Welcome: {
      const welcome = envelope.body(new Welcome()) as Welcome;
      const avatars = [];
      for (let i = 0; i < Math.min(welcome.avatarsLength(), 4096); i++) {
        const entry = welcome.avatars(i)!;
        avatars.push({ avatar: entry.avatar(), newest: entry.newestArray()?.slice() ?? null });
      }
      return { kind: 'welcome', session: welcome.session(), nowNs: welcome.nowNs(), avatars };
    }
    case Body.AvatarDescriptor:
      return { kind: 'descriptor', descriptor: readDescriptor(envelope.body(new AvatarDescriptor()) as AvatarDescriptor) };
    case Body.Pong: {
      const pong = envelope.body(new Pong()) as Pong;
      return { kind: 'pong', t0: pong.t0Ns(), t1: pong.t1Ns(), t2: pong.t2Ns() };
    }
    case Body.Haptic: {
      const haptic = envelope.body(new Haptic()) as Haptic;
      return { kind: 'haptic', device: haptic.kind(), amplitude: haptic.amplitude(), durationS: haptic.durationS() };
    }
    case Body.Refusal:
      return { kind: 'refusal', reason: (envelope.body(new Refusal()) as Refusal).reason() ?? '' };
    default:
      throw new WireError(`unknown state message ${envelope.bodyType()}`);
  }
}

function readDescriptor(table: AvatarDescriptor): Descriptor {
  if (table.axes() !== 1) throw new WireError('the avatar is in unknown axes');
  if (table.jointsLength() > MAX_JOINTS) throw new WireError('too many joints');
  const joints: JointInfo[] = [];
  for (let j = 0; j < table.jointsLength(); j++) {
    const joint = table.joints(j)!;
    const t = joint.translation()!;
    const r = joint.rotation()!;
    if (joint.parent() >= j || (j > 0 && joint.parent() < 0)) throw new WireError('joints are out of order');
    joints.push({
      name: joint.name() ?? '',
      role: joint.role() ?? '',
      parent: joint.parent(),
      translation: [t.x(), t.y(), t.z()],
      rotation: [r.x(), r.y(), r.z(), r.w()],
    });
  }
  const list = (length: number, read: (i: number) => string | null) =>
    Array.from({ length: Math.min(length, 4096) }, (_, i) => read(i) ?? '');
  return {
    hash: table.hash(),
    name: table.name() ?? '',
    joints,
    expressions: list(table.expressionsLength(), (i) => table.expressions(i)),
    morphs: list(table.morphsLength(), (i) => table.morphs(i)),
  };
}

function envelope(kind: Body, write: (builder: flatbuffers.Builder) => number): Uint8Array {
  const builder = new flatbuffers.Builder(256);
  const body = write(builder);
  Envelope.startEnvelope(builder);
  Envelope.addBodyType(builder, kind);
  Envelope.addBody(builder, body);
  Envelope.finishEnvelopeBuffer(builder, Envelope.endEnvelope(builder));
  return builder.asUint8Array().slice();
}

export function encodeHello(client: string): Uint8Array {
  return envelope(Body.Hello, (b) => {
    const name = b.createString(client);
    const codecs = Hello.createCodecsVector(b, [0, 1, 2]);
    Hello.startHello(b);
    Hello.addClient(b, name);
    Hello.addVersionMin(b, VERSION);
    Hello.addVersionMax(b, VERSION);
    Hello.addCodecs(b, codecs);
    return Hello.endHello(b);
  });
}

export function encodePing(t0: bigint): Uint8Array {
  return envelope(Body.Ping, (b) => {
    Ping.startPing(b);
    Ping.addT0Ns(b, t0);
    return Ping.endPing(b);
  });
}

export function encodeRequest(hash: bigint): Uint8Array {
  return envelope(Body.DescriptorRequest, (b) => {
    DescriptorRequest.startDescriptorRequest(b);
    DescriptorRequest.addHash(b, hash);
    return DescriptorRequest.endDescriptorRequest(b);
  });
}

export interface Statistics {
  received: number;
  lost: number;
  ageP50Ms: number;
  ageP99Ms: number;
  heldMs: number;
}

export function encodeStatistics(seen: Statistics): Uint8Array {
  return envelope(Body.ClientStatistics, (b) =>
    ClientStatistics.createClientStatistics(
      b, BigInt(seen.received), BigInt(seen.lost), seen.ageP50Ms, seen.ageP99Ms, seen.heldMs, 0,
    ));
}

export function encodeDevices(tNs: bigint, devices: DevicePose[]): Uint8Array {
  return envelope(Body.DevicePoses, (b) => {
    const items = devices.map((device) => {
      const buttons = Device.createButtonsVector(b, device.buttons);
      Device.startDevice(b);
      Device.addKind(b, device.kind);
      Device.addPosition(b, Vec3.createVec3(b, ...device.position));
      Device.addRotation(b, Quat.createQuat(b, ...device.rotation));
      Device.addButtons(b, buttons);
      return Device.endDevice(b);
    });
    const list = DevicePoses.createDevicesVector(b, items);
    DevicePoses.startDevicePoses(b);
    DevicePoses.addTNs(b, tNs);
    DevicePoses.addDevices(b, list);
    return DevicePoses.endDevicePoses(b);
  });
}
