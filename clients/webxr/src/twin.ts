/** One twin in the scene: the avatar's own mesh, or its joints where there is no file. */

import { VRM, VRMLoaderPlugin } from '@pixiv/three-vrm';
import * as THREE from 'three';
import { GLTFLoader } from 'three/addons/loaders/GLTFLoader.js';

import type { Pose } from './timing';
import type { Descriptor } from './wire';

/** Where the presets of VRM take over for an avatar that has no ARKit shapes. */
const PRESETS: Record<string, string[]> = {
  aa: ['jawOpen'],
  ou: ['mouthPucker'],
  oh: ['mouthFunnel'],
  blinkLeft: ['eyeBlinkLeft'],
  blinkRight: ['eyeBlinkRight'],
  happy: ['mouthSmileLeft', 'mouthSmileRight'],
  sad: ['mouthFrownLeft', 'mouthFrownRight'],
  angry: ['browDownLeft', 'browDownRight'],
  surprised: ['eyeWideLeft', 'eyeWideRight'],
};

export async function loadAvatar(address: string): Promise<VRM | THREE.Group | null> {
  const answer = await fetch(address);
  if (answer.status === 404) return null;
  if (!answer.ok) throw new Error(`the avatar could not be fetched (${answer.status})`);
  const loader = new GLTFLoader();
  // Raw joints are driven: the stream's rotations are those of the file's own nodes.
  loader.register((parser) => new VRMLoaderPlugin(parser, { autoUpdateHumanBones: false }));
  const gltf = await loader.parseAsync(await answer.arrayBuffer(), '');
  return (gltf.userData.vrm as VRM | undefined) ?? gltf.scene;
}

export class Twin {
  readonly group = new THREE.Group();
  readonly joints: THREE.Object3D[] = [];
  readonly morphs: { mesh: THREE.Mesh; slots: [number, number][] }[] = [];
  private readonly vrm: VRM | null;
  private readonly hasArkit: boolean;
  private readonly bones: THREE.InstancedMesh | null = null;
  private readonly matrix = new THREE.Matrix4();

  constructor(readonly descriptor: Descriptor, avatar: VRM | THREE.Group | null) {
    this.vrm = avatar instanceof VRM ? avatar : null;
    const scene = this.vrm ? this.vrm.scene : (avatar as THREE.Group | null);
    const found = scene ? this.jointsOf(scene) : null;
    if (scene && found) {
      this.joints = found;
      this.group.add(scene);
      scene.traverse((object) => {
        object.frustumCulled = false; // bounds are those of the rest pose
        const mesh = object as THREE.Mesh;
        if (!mesh.isMesh) return;
        mesh.castShadow = true;
        const slots = this.descriptor.expressions
          .map((name, i) => [i, mesh.morphTargetDictionary?.[name] ?? -1] as [number, number])
          .filter(([, slot]) => slot >= 0);
        if (slots.length) this.morphs.push({ mesh, slots });
      });
    } else {
      this.joints = descriptor.joints.map(() => new THREE.Object3D());
      descriptor.joints.forEach((joint, j) => {
        this.joints[j].position.set(...joint.translation);
        this.joints[j].quaternion.set(...joint.rotation);
        (joint.parent < 0 ? this.group : this.joints[joint.parent]).add(this.joints[j]);
      });
      const shape = new THREE.CapsuleGeometry(0.5, 1, 4, 10);
      const look = new THREE.MeshStandardMaterial({ color: 0x7fc8f8, roughness: 0.45, metalness: 0.1 });
      this.bones = new THREE.InstancedMesh(shape, look, descriptor.joints.length);
      this.bones.frustumCulled = false;
      this.bones.castShadow = true;
      this.group.add(this.bones);
    }
    this.hasArkit = this.morphs.some(({ slots }) => slots.length > 20);
  }

  /** Return the file's nodes in the stream's order, or null where the file is another avatar's. */
  private jointsOf(scene: THREE.Object3D): THREE.Object3D[] | null {
    const byName = new Map<string, THREE.Object3D>();
    scene.traverse((object) => {
      if (!byName.has(object.name)) byName.set(object.name, object);
    });
    const nodes = this.descriptor.joints.map((joint) => {
      const raw = joint.role ? this.vrm?.humanoid.getRawBoneNode(joint.role as never) : null;
      return raw ?? byName.get(THREE.PropertyBinding.sanitizeNodeName(joint.name)) ?? null;
    });
    return nodes.every((node) => node !== null) ? (nodes as THREE.Object3D[]) : null;
  }

  /** Put the twin into a pose. */
  show(pose: Pose, seconds: number): void {
    const { rotations, root, expressions } = pose;
    for (let j = 0; j < this.joints.length; j++) {
      this.joints[j].quaternion.fromArray(rotations, 4 * j);
    }
    // Joint 0 is placed in the world of the group, whatever nodes the file puts above it.
    const first = this.joints[0];
    const above = first.parent!;
    if (above === this.group) {
      first.position.set(...root);
    } else {
      above.updateWorldMatrix(true, false);
      this.group.updateWorldMatrix(true, false);
      const groupFromAbove = this.matrix.copy(this.group.matrixWorld).invert().multiply(above.matrixWorld);
      const turn = new THREE.Quaternion().setFromRotationMatrix(groupFromAbove).invert();
      first.position.set(...root).applyMatrix4(groupFromAbove.invert());
      first.quaternion.premultiply(turn);
    }
    if (this.vrm) {
      if (!this.hasArkit) this.showPresets(expressions);
      this.vrm.update(seconds);
    }
    // After the update, which sets the morphs of the file's own expressions to their weights.
    for (const { mesh, slots } of this.morphs) {
      for (const [i, slot] of slots) mesh.morphTargetInfluences![slot] = expressions[i];
    }
    if (this.bones) this.drawBones();
  }

  private showPresets(expressions: Float32Array): void {
    const value = (name: string) => expressions[this.descriptor.expressions.indexOf(name)] ?? 0;
    for (const [preset, parts] of Object.entries(PRESETS)) {
      const mean = parts.reduce((sum, name) => sum + value(name), 0) / parts.length;
      this.vrm!.expressionManager?.setValue(preset, mean);
    }
  }

  private drawBones(): void {
    this.group.updateMatrixWorld(true);
    const inverse = this.matrix.copy(this.group.matrixWorld).invert();
    const a = new THREE.Vector3();
    const b = new THREE.Vector3();
    const place = new THREE.Matrix4();
    const up = new THREE.Vector3(0, 1, 0);
    this.descriptor.joints.forEach((joint, j) => {
      b.setFromMatrixPosition(this.joints[j].matrixWorld).applyMatrix4(inverse);
      if (joint.parent < 0) a.copy(b);
      else a.setFromMatrixPosition(this.joints[joint.parent].matrixWorld).applyMatrix4(inverse);
      const length = a.distanceTo(b);
      const width = Math.min(0.05, Math.max(0.012, length * 0.22));
      const turn = new THREE.Quaternion().setFromUnitVectors(
        up, length > 1e-6 ? b.clone().sub(a).normalize() : up,
      );
      place.compose(a.clone().add(b).multiplyScalar(0.5), turn, new THREE.Vector3(width, length / 2 || width, width));
      this.bones!.setMatrixAt(j, place);
    });
    this.bones!.instanceMatrix.needsUpdate = true;
  }
}
