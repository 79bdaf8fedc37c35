/** VR and AR: entering, placing the twin on the floor, and what the headset sends back. */

import * as THREE from 'three';

import type { TwinStream } from './stream';
import type { DevicePose } from './wire';

const SEND_EVERY_MS = 33;
const HANDS: Record<string, number> = { left: 1, right: 2 };

export class Headset {
  private lastSent = 0;
  private readonly ray = new THREE.Raycaster();
  private readonly floor = new THREE.Plane(new THREE.Vector3(0, 1, 0), 0);

  constructor(
    private readonly renderer: THREE.WebGLRenderer,
    private readonly scene: THREE.Scene,
    private readonly stage: THREE.Group,
    private readonly stream: TwinStream,
  ) {
    renderer.xr.enabled = true;
    renderer.xr.setReferenceSpaceType('local-floor');
    renderer.xr.addEventListener('sessionstart', () => stream.revive());
    for (const index of [0, 1]) {
      const controller = renderer.xr.getController(index);
      controller.addEventListener('select', () => this.place(controller));
      const beam = new THREE.Line(
        new THREE.BufferGeometry().setFromPoints([new THREE.Vector3(), new THREE.Vector3(0, 0, -3)]),
        new THREE.LineBasicMaterial({ color: 0x7fc8f8, transparent: true, opacity: 0.5 }),
      );
      controller.add(beam);
      controller.visible = false;
      controller.addEventListener('connected', () => (controller.visible = true));
      controller.addEventListener('disconnected', () => (controller.visible = false));
      scene.add(controller);
    }
    stream.onHaptic = (device, amplitude, durationS) => this.shake(device, amplitude, durationS);
  }

  /** Show a button for each kind of session this browser can give. */
  async offer(vr: HTMLButtonElement, ar: HTMLButtonElement): Promise<void> {
    for (const [button, mode] of [[vr, 'immersive-vr'], [ar, 'immersive-ar']] as const) {
      const able = await navigator.xr?.isSessionSupported(mode).catch(() => false);
      button.hidden = !able;
      button.onclick = () => void this.enter(mode);
    }
  }

  async enter(mode: 'immersive-vr' | 'immersive-ar'): Promise<void> {
    const running = this.renderer.xr.getSession();
    if (running) {
      await running.end();
      return;
    }
    const session = await navigator.xr!.requestSession(mode, {
      optionalFeatures: ['local-floor', 'hand-tracking'],
    });
    const background = this.scene.background;
    const hidden = this.scene.children.filter((object) => object.userData.hideInAr && object.visible);
    if (mode === 'immersive-ar') {
      this.scene.background = null;
      hidden.forEach((object) => (object.visible = false));
    }
    const before = this.stage.position.clone();
    // In front of the wearer, facing them, at real scale.
    this.stage.position.set(0, 0, -1.8);
    session.addEventListener('end', () => {
      this.scene.background = background;
      hidden.forEach((object) => (object.visible = true));
      this.stage.position.copy(before);
      this.stage.rotation.set(0, 0, 0);
    });
    await this.renderer.xr.setSession(session);
  }

  /** Each XR frame: turn the twin by the stick, send the headset's and the hands' poses. */
  update(frame: XRFrame | undefined, seconds: number): void {
    const session = this.renderer.xr.getSession();
    const space = this.renderer.xr.getReferenceSpace();
    if (!frame || !session || !space) return;
    for (const source of session.inputSources) {
      const turn = source.gamepad?.axes[2] ?? 0;
      if (Math.abs(turn) > 0.2) this.stage.rotation.y -= turn * seconds * 1.5;
    }
    const now = performance.now();
    if (now - this.lastSent < SEND_EVERY_MS) return;
    this.lastSent = now;
    const devices: DevicePose[] = [];
    const head = frame.getViewerPose(space);
    if (head) devices.push(devicePose(0, head.transform, []));
    for (const source of session.inputSources) {
      const kind = HANDS[source.handedness];
      const grip = source.gripSpace && frame.getPose(source.gripSpace, space);
      if (kind && grip) {
        const buttons = source.gamepad?.buttons.map((button) => button.value) ?? [];
        devices.push(devicePose(kind, grip.transform, buttons));
      }
    }
    if (devices.length) this.stream.sendDevices(devices);
  }

  private place(controller: THREE.Object3D): void {
    controller.updateMatrixWorld(true);
    this.ray.ray.origin.setFromMatrixPosition(controller.matrixWorld);
    this.ray.ray.direction.set(0, 0, -1).transformDirection(controller.matrixWorld);
    const hit = this.ray.ray.intersectPlane(this.floor, new THREE.Vector3());
    if (hit && hit.length() < 12) this.stage.position.copy(hit);
  }

  private shake(device: number, amplitude: number, durationS: number): void {
    for (const source of this.renderer.xr.getSession()?.inputSources ?? []) {
      const pads = source.gamepad as unknown as { hapticActuators?: { pulse(a: number, ms: number): void }[] };
      if (HANDS[source.handedness] === device) pads?.hapticActuators?.[0]?.pulse(amplitude, durationS * 1000);
    }
  }
}

function devicePose(kind: number, transform: XRRigidTransform, buttons: number[]): DevicePose {
  const { position: p, orientation: q } = transform;
  return { kind, position: [p.x, p.y, p.z], rotation: [q.x, q.y, q.z, q.w], buttons };
}
