// Loads VRM files with three-vrm in headless Chromium and prints what it made of them as JSON.
//   node browser.mjs CHROMIUM < {"files": [...], "shots": [[...], ...], "size": [w, h], "every": n,
//                                "swing": pose}
// There are shots for each file; of the vertices every n-th is told. Spring bones swing for a second
// from rest into `swing`; their turns are told every quarter of it.
// A shot: {camera: {position, target, fov}, pose: {bone: [x, y, z, w]}, expression: name or null}.
import fs from 'fs';
import http from 'http';
import path from 'path';
import { fileURLToPath } from 'url';
import { chromium } from 'playwright-core';

const folder = path.dirname(fileURLToPath(import.meta.url));
const request = JSON.parse(fs.readFileSync(0, 'utf8'));
const page_html = `<!doctype html><canvas id="c"></canvas><script type="importmap">{"imports": {
  "three": "/node_modules/three/build/three.module.js",
  "three/": "/node_modules/three/",
  "@pixiv/three-vrm": "/node_modules/@pixiv/three-vrm/lib/three-vrm.module.js"}}</script>
<script type="module">
import * as THREE from 'three';
import { GLTFLoader } from 'three/examples/jsm/loaders/GLTFLoader.js';
import { VRMLoaderPlugin } from '@pixiv/three-vrm';
const canvas = document.getElementById('c');
const renderer = new THREE.WebGLRenderer({ canvas, alpha: true, preserveDrawingBuffer: true });
const scene = new THREE.Scene();
scene.add(new THREE.HemisphereLight(0xffffff, 0x888888, 3));

function stand(vrm, shot) {
  vrm.humanoid.resetNormalizedPose();
  const pose = {};
  for (const [bone, rotation] of Object.entries(shot.pose ?? {})) pose[bone] = { rotation };
  vrm.humanoid.setNormalizedPose(pose);
  vrm.expressionManager.resetValues();
  if (shot.expression) vrm.expressionManager.setValue(shot.expression, 1);
  vrm.humanoid.update();
  vrm.expressionManager.update();
  vrm.scene.updateMatrixWorld(true);
}

function vertices(vrm, every) {
  const out = [], place = new THREE.Vector3();
  vrm.scene.traverse((mesh) => {
    if (!mesh.isMesh) return;
    mesh.skeleton?.update();
    for (let i = 0; i < mesh.geometry.attributes.position.count; i += every) {
      mesh.getVertexPosition(i, place).applyMatrix4(mesh.matrixWorld);
      out.push(place.toArray().map((x) => Math.round(x * 1e5) / 1e5));
    }
  });
  return out;
}

window.judge = async (number, request) => {
  const loader = new GLTFLoader();
  loader.register((parser) => new VRMLoaderPlugin(parser));
  const gltf = await loader.loadAsync('/file/' + number);
  const vrm = gltf.userData.vrm;
  scene.add(vrm.scene);
  const springs = [...(vrm.springBoneManager?.joints ?? [])];
  const report = {
    bones: Object.keys(vrm.humanoid.humanBones),
    expressions: vrm.expressionManager.expressions.map((e) => e.expressionName),
    meta: vrm.meta.name,
    thumbnail: gltf.parser.json.extensions.VRMC_vrm.meta.thumbnailImage ?? null,
    lookAt: vrm.lookAt?.applier?.constructor?.type ?? null,
    springs: springs.length,
    shots: [],
  };
  const [width, height] = request.size;
  renderer.setSize(width, height, false);
  for (const shot of request.shots[number]) {
    stand(vrm, shot);
    const camera = new THREE.PerspectiveCamera(shot.camera.fov, width / height, 0.05, 50);
    camera.position.set(...shot.camera.position);
    camera.lookAt(...shot.camera.target);
    renderer.setClearColor(0, 0);
    renderer.render(scene, camera);
    report.shots.push({
      picture: canvas.toDataURL('image/png'),
      vertices: request.every ? vertices(vrm, request.every) : [],
    });
  }
  if (springs.length) {  // from rest into another pose, and a second of swinging there
    stand(vrm, {});
    vrm.springBoneManager.reset();
    stand(vrm, { pose: request.swing });
    report.turns = {};
    for (let i = 1; i <= 60; i++) {
      vrm.update(1 / 60);
      if (i % 15) continue;
      for (const { bone } of springs) (report.turns[bone.name] ??= []).push(bone.quaternion.toArray());
    }
  }
  scene.remove(vrm.scene);
  return report;
};
window.ready = true;
</script>`;

const server = http.createServer((req, res) => {
  const name = decodeURIComponent(new URL(req.url, 'http://x').pathname);
  if (name === '/') return res.end(page_html);
  const index = name.match(/^\/file\/(\d+)$/);
  const file = index ? request.files[+index[1]] : path.join(folder, path.normalize(name));
  if (!fs.existsSync(file)) return res.writeHead(404).end();
  if (/\.m?js$/.test(file)) res.setHeader('content-type', 'text/javascript');
  fs.createReadStream(file).pipe(res);
});
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const browser = await chromium.launch({
  executablePath: process.argv[2],
  args: ['--no-sandbox', '--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader'],
});
const page = await browser.newPage();
let said = [];
page.on('console', (m) => ['warning', 'error'].includes(m.type()) && said.push(m.text()));
page.on('pageerror', (e) => said.push(String(e)));
await page.goto(`http://127.0.0.1:${server.address().port}/`);
await page.waitForFunction('window.ready', null, { timeout: 60000 });
// What the software renderer says of itself is not about the file.
const own = /GPU stall|GL Driver Message|swiftshader|favicon/i;
const reports = [];
for (let i = 0; i < request.files.length; i++) {
  said = [];
  const report = await page.evaluate(([n, r]) => window.judge(n, r), [i, request]);
  reports.push({ ...report, said: said.filter((text) => !own.test(text)) });
}
await browser.close();
server.close();
console.log(JSON.stringify(reports));
