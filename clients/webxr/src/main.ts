/** The viewer: a stage, the twins on it, the numbers beside them. `?transparent` is for OBS. */

import * as THREE from 'three';
import { OrbitControls } from 'three/addons/controls/OrbitControls.js';

import { Panel } from './panel';
import { TwinStream } from './stream';
import type { Pose } from './timing';
import { loadAvatar, Twin } from './twin';
import { Headset } from './xr';

const query = new URLSearchParams(location.search);
const transparent = query.has('transparent');
const key = query.get('key');
const suffix = key ? `?key=${encodeURIComponent(key)}` : '';
document.body.classList.toggle('transparent', transparent);

const renderer = new THREE.WebGLRenderer({ antialias: true, alpha: true, preserveDrawingBuffer: query.has('capture') });
renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
renderer.shadowMap.enabled = true;
renderer.toneMapping = THREE.ACESFilmicToneMapping;
document.getElementById('stage')!.append(renderer.domElement);

const scene = new THREE.Scene();
const camera = new THREE.PerspectiveCamera(32, 1, 0.05, 50);
camera.position.set(0.9, 1.35, 3.9);
const controls = new OrbitControls(camera, renderer.domElement);
controls.target.set(0, 0.92, 0);
controls.enableDamping = true;
controls.maxPolarAngle = Math.PI * 0.55;
controls.minDistance = 0.5;
controls.maxDistance = 12;

scene.add(new THREE.HemisphereLight(0xdfeaff, 0x38404f, 1.6));
const sun = new THREE.DirectionalLight(0xfff1e0, 2.4);
sun.position.set(1.6, 3.2, 2.4);
sun.castShadow = true;
sun.shadow.mapSize.set(2048, 2048);
sun.shadow.camera.left = sun.shadow.camera.bottom = -2.5;
sun.shadow.camera.right = sun.shadow.camera.top = 2.5;
sun.shadow.radius = 6;
scene.add(sun);
const rim = new THREE.DirectionalLight(0x86b7ff, 1.3);
rim.position.set(-2, 2, -2.5);
scene.add(rim);

if (!transparent) {
  scene.background = new THREE.Color(0x10141b);
  scene.fog = new THREE.Fog(0x10141b, 7, 16);
  const floor = new THREE.Mesh(
    new THREE.CircleGeometry(12, 64).rotateX(-Math.PI / 2),
    new THREE.MeshStandardMaterial({ color: 0x1a212c, roughness: 0.95 }),
  );
  floor.receiveShadow = true;
  floor.userData.hideInAr = true;
  const grid = new THREE.GridHelper(12, 24, 0x33506e, 0x232c39);
  grid.position.y = 0.002;
  grid.userData.hideInAr = true;
  scene.add(floor, grid);
}

const stage = new THREE.Group();
scene.add(stage);

const socket = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/stream${suffix}`;
const stream = new TwinStream(socket, `twinsdk page, ${navigator.userAgent.slice(0, 60)}`);
const panel = new Panel(stream);
const headset = new Headset(renderer, scene, stage, stream);
void headset.offer(
  document.getElementById('vr') as HTMLButtonElement,
  document.getElementById('ar') as HTMLButtonElement,
);

const twins = new Map<number, { twin: Twin; hash: bigint }>();
const loading = new Set<string>();

/** Make the twin of a track once its descriptor is here; the file is fetched anew for each. */
async function build(avatar: number): Promise<void> {
  const descriptor = stream.tracks.get(avatar)!.descriptor!;
  const mark = `${avatar} ${descriptor.hash}`;
  if (loading.has(mark)) return;
  loading.add(mark);
  const address = `/avatar${suffix ? `${suffix}&` : '?'}avatar=${avatar}`;
  const model = await loadAvatar(address).catch((error: Error) => {
    console.warn(error.message);
    return null;
  });
  const old = twins.get(avatar);
  if (old) stage.remove(old.twin.group);
  const twin = new Twin(descriptor, model);
  twins.set(avatar, { twin, hash: descriptor.hash });
  stage.add(twin.group);
  loading.delete(mark);
}

function resize(): void {
  if (renderer.xr.isPresenting) return;
  renderer.setSize(innerWidth, innerHeight);
  camera.aspect = innerWidth / innerHeight;
  // On a phone held upright the whole twin still fits.
  camera.fov = camera.aspect < 0.8 ? 46 : 32;
  camera.updateProjectionMatrix();
}
addEventListener('resize', resize);
resize();

const timer = new THREE.Timer();
let frames = 0;
renderer.setAnimationLoop((time, frame) => {
  timer.update(time);
  const seconds = Math.min(0.1, timer.getDelta());
  let first: Pose | null = null;
  let firstTrack;
  for (const track of stream.tracks.values()) {
    const made = twins.get(track.avatar);
    if (track.descriptor && made?.hash !== track.descriptor.hash) void build(track.avatar);
    const pose = track.buffer.sample(performance.now());
    if (!pose) continue;
    first ??= pose;
    firstTrack ??= track;
    if (made && made.twin.joints.length * 4 === pose.rotations.length) made.twin.show(pose, seconds);
  }
  headset.update(frame as XRFrame | undefined, seconds);
  panel.update(firstTrack, first);
  if (!renderer.xr.isPresenting) controls.update();
  renderer.render(scene, camera);
  frames++;
});

// For tests and for the curious.
Object.assign(window, {
  twinsdk: { stream, twins, renderer, stage, headset, get frames() { return frames; } },
});
