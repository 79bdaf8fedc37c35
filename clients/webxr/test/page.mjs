// Opens the page in Chromium and prints what it saw as one line of JSON.
//   node page.mjs URL FOLDER [vr|ar|phone|measure=SECONDS]
// With vr or ar a Quest 3 is emulated by iwer and the session is entered. Pictures go to FOLDER.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

import { chromium } from 'playwright-core';

const [url, folder, mode] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader'],
});
// Software drawing would keep the page's only thread busy: little of it while time is measured.
const seconds = Number(mode?.match(/^measure=(.+)/)?.[1] ?? 0);
const size = seconds ? { width: 320, height: 240 } : mode === 'phone' ? { width: 390, height: 780 } : { width: 1100, height: 720 };
const page = await browser.newPage({ viewport: size });
const problems = [];
page.on('pageerror', (error) => problems.push(String(error)));
page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
if (mode === 'vr' || mode === 'ar') {
  const iwer = readFileSync(createRequire(import.meta.url).resolve('iwer/build/iwer.min.js'), 'utf8');
  await page.addInitScript(`${iwer};
    const device = new IWER.XRDevice(IWER.metaQuest3);
    device.installRuntime({ forceInstall: true });
    device.position.set(0.1, 1.62, 0.2);
    window.emulated = device;`);
}
await page.goto(seconds ? url : url + (url.includes('?') ? '&' : '?') + 'capture');
await page.waitForFunction(() => window.twinsdk?.stream.received > 30 && window.twinsdk.twins.size > 0, null, { timeout: 30000 });
if (seconds) {
  await page.waitForTimeout(2000); // until the page is built and the clocks are compared
  const measured = await page.evaluate(async (ms) => {
    const { stream } = window.twinsdk;
    const ages = [];
    stream.ages.push = (age) => Array.prototype.push.call(stream.ages, (ages.push(age), age));
    await new Promise((done) => setTimeout(done, ms));
    ages.sort((a, b) => a - b);
    return {
      ageMs: ages[Math.floor(ages.length / 2)], ageP99Ms: ages[Math.floor(ages.length * 0.99)],
      measured: ages.length, uncertaintyMs: stream.sync.best.uncertainty,
    };
  }, 1000 * seconds);
  console.log(JSON.stringify(measured));
  await browser.close();
  process.exit(0);
}
await page.waitForTimeout(1500);
const bones = () => page.evaluate(() => [...window.twinsdk.twins.values()][0].twin.joints.map((j) => j.quaternion.toArray()));
const before = await bones();
await page.waitForTimeout(400);
const after = await bones();
const moved = before.filter((q, j) => q.some((x, i) => Math.abs(x - after[j][i]) > 1e-4)).length;
await page.click('#inspect');
await page.waitForTimeout(400);
await page.screenshot({ path: `${folder}/page.png` });
let presenting = false;
if (mode === 'vr' || mode === 'ar') {
  await page.click(`#${mode}`);
  await page.waitForTimeout(2500);
  presenting = await page.evaluate(() => window.twinsdk.renderer.xr.isPresenting);
  await page.screenshot({ path: `${folder}/${mode}.png` });
}
const seen = await page.evaluate(() => {
  const { stream, twins, frames } = window.twinsdk;
  const ages = [...stream.ages].sort((a, b) => a - b);
  const first = [...twins.values()][0].twin;
  return {
    received: stream.received, lost: stream.lost, malformed: stream.malformed, frames,
    ageMs: ages[Math.floor(ages.length / 2)], joints: first.joints.length, mesh: !first.bones,
    morphs: first.morphs.length,
    smile: Math.max(0, ...first.morphs.flatMap(({ mesh }) => mesh.morphTargetInfluences)), status: document.getElementById('status').textContent,
    vrOffered: !document.getElementById('vr').hidden, arOffered: !document.getElementById('ar').hidden,
  };
});
console.log(JSON.stringify({ ...seen, moved, presenting, problems }));
await browser.close();
