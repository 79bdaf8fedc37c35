// Plays a .vrma on a .vrm with three-vrm, headless, and prints where every bone and weight is.
import fs from 'fs';

globalThis.self = globalThis;
globalThis.window = globalThis;
globalThis.ProgressEvent = class {};
globalThis.createImageBitmap = async () => ({ width: 4, height: 4, close() {} });
globalThis.document = {
  createElementNS: () => ({ style: {}, addEventListener() {}, removeEventListener() {} }),
  createElement: () => ({ getContext: () => null, style: {} }),
};
console.warn = () => {};

const THREE = await import('three');
const { GLTFLoader } = await import('three/examples/jsm/loaders/GLTFLoader.js');
const { VRMLoaderPlugin } = await import('@pixiv/three-vrm');
const { VRMAnimationLoaderPlugin, createVRMAnimationClip } = await import(
  '@pixiv/three-vrm-animation'
);

function load(path) {
  const loader = new GLTFLoader();
  loader.register((parser) => new VRMLoaderPlugin(parser));
  loader.register((parser) => new VRMAnimationLoaderPlugin(parser));
  const file = fs.readFileSync(path);
  const bytes = file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength);
  return new Promise((done, fail) => loader.parse(bytes, '', done, fail));
}

const [, , avatarPath, motionPath, seconds] = process.argv;
const vrm = (await load(avatarPath)).userData.vrm;
const motion = (await load(motionPath)).userData.vrmAnimations[0];
const mixer = new THREE.AnimationMixer(vrm.scene);
mixer.clipAction(createVRMAnimationClip(motion, vrm)).play();
mixer.setTime(parseFloat(seconds));
vrm.update(0);
vrm.scene.updateMatrixWorld(true);

const bones = {};
for (const name of Object.keys(vrm.humanoid.humanBones)) {
  const place = new THREE.Vector3();
  bones[name] = vrm.humanoid.getRawBoneNode(name).getWorldPosition(place).toArray();
}
const expressions = {};
for (const e of vrm.expressionManager.expressions) expressions[e.expressionName] = e.weight;
console.log(JSON.stringify({ name: vrm.meta.name, bones, expressions }));
