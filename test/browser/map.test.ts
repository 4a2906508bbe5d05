/** The page of `smelt map -o` in a real browser. `npm run test:browser` fails where there is none. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run, SMELT, scratch } from '../program/smelt.ts';
import { Chromium, findChromium } from './chromium.ts';

const dir = scratch();
const page = join(dir, 'map.html');
const program = findChromium();
const isWanted = process.env.SMELT_BROWSER === 'required';

/** In the middle of the cell of a physical address. */
const PLACE = (address: number) => `(() => {
  const pfn = ${address} / map.pageSize;
  const row = rowOf(pfn);
  const box = canvas.getBoundingClientRect();
  const column = Math.floor((pfn - rowStart(row)) / cellPages());
  return [box.left + GUTTER + (column + 0.5) * view.cellWidth, box.top + (row - view.top + 0.5) * view.cell];
})()`;
/** Colours of a line of pixels from a place of the page on; read once, because more often would be complained of. */
const PIXELS = ([x, y]: readonly number[], count: number) => `(() => {
  const box = canvas.getBoundingClientRect();
  const { data } = canvas.getContext('2d').getImageData(${x} - box.left, ${y} - box.top, ${count}, 1);
  return Array.from({ length: ${count} }, (_, i) => data.subarray(i * 4, i * 4 + 3).join(' '));
})()`;
const TIP = "document.getElementById('tip').hidden ? '' : document.getElementById('tip').innerText";

test.runIf(isWanted)('there is a browser', () => {
  expect(program).toBeDefined();
});

describe.skipIf(program === undefined)('the page', () => {
  let browser: Chromium;

  beforeAll(async () => {
    const made = run([process.execPath, SMELT, 'map', 'samples/x86_64-6.1-sme.kdump', '-o', page]);
    expect(made.status).toBe(0);
    browser = await Chromium.start(program!);
  });
  afterAll(() => browser?.close());

  async function open(theme: 'light' | 'dark' = 'light') {
    await browser.send('Emulation.setEmulatedMedia', {
      features: [{ name: 'prefers-color-scheme', value: theme }],
    });
    await browser.open(page);
    await browser.until(
      "document.documentElement.dataset.ready === 'yes' && [...unpacked.values()].every(Boolean)",
    );
    await browser.until('!isDue');
  }
  const hover = async (address: number) => {
    const place = await browser.run<[number, number]>(PLACE(address));
    await browser.mouse('mouseMoved', ...place);
    await browser.until(`(${TIP}) !== ''`);
    return browser.run<string>(TIP);
  };

  test.each(['light', 'dark'] as const)('opens %s, asks nobody, and complains of nothing', async (theme) => {
    await open(theme);
    const paper = await browser.run<string>('getComputedStyle(document.body).backgroundColor');
    expect(paper).toBe(theme === 'light' ? 'rgb(255, 255, 255)' : 'rgb(20, 23, 27)');
    expect(browser.complaints).toEqual([]);
    expect(browser.requests.filter((url) => !url.startsWith('file://') && url !== 'about:blank')).toEqual([]);
  });

  test('says the totals that the dump has', async () => {
    await open();
    const rows = await browser.run<string>("document.getElementById('kinds').innerText");
    expect(rows.replaceAll(/\s+/g, ' ')).toMatch(/free 2,677 10\.5 MiB 12\.4 %/);
    expect(rows.replaceAll(/\s+/g, ' ')).toMatch(/all 21,504 84\.0 MiB/);
    expect(rows.replaceAll(/\s+/g, ' ')).toMatch(/shared 520/);
  });

  test('names what the mouse is over: frames, class and address', async () => {
    await open();
    const tip = await hover(0x500000);
    expect(tip).toMatch(/page frames 0x[0-9a-f]+ to 0x[0-9a-f]+/);
    expect(tip).toMatch(/address 0x50/);
    expect(tip).toMatch(/user/);
    expect(await hover(0xe00000)).toMatch(/shared, not encrypted/);
  });

  test('draws each class in its colour', async () => {
    await open();
    const place = await browser.run<[number, number]>(PLACE(0x500000));
    const colours = await browser.run<string[]>(PIXELS(place, 8));
    // #3f76e0, with the fine stripes of encrypted memory over some of it.
    expect(colours).toContain('63 118 224');
  });

  test('zooms by the wheel down to the single page frame, where the mouse is', async () => {
    await open();
    const place = await browser.run<[number, number]>(PLACE(0x2000000));
    for (let i = 0; i < 12; i++) await browser.wheel(...place, -100, true);
    await browser.until('cellPages() === 1 && [...unpacked.values()].every(Boolean)');
    const tip = await hover(0x2000000);
    expect(tip).toMatch(/^page frame 0x2000\n/);
    expect(tip).toMatch(/address 0x2000000\n/);
  });

  test('moves and zooms by keys, and says where it is', async () => {
    await open();
    await browser.run('canvas.focus()');
    await browser.key('ArrowRight');
    await browser.key('ArrowRight');
    await browser.until("said.textContent !== ''");
    const before = await browser.run<string>('said.textContent');
    await browser.key('ArrowDown');
    expect(await browser.run<string>('said.textContent')).not.toBe(before);
    const shift = await browser.run<number>('view.rowShift');
    await browser.key('+');
    expect(await browser.run<number>('view.rowShift')).toBe(shift - 1);
    await browser.key('0');
    expect(await browser.run<number>('view.rowShift')).toBe(shift);
  });

  test('shows one kind alone, changes its colours by the switch, and goes to an address', async () => {
    await open();
    await browser.run(`document.querySelector('#kinds button').click()`);
    expect(await browser.run<number>('only.size')).toBe(1);
    await browser.run(
      `(() => { const s = document.getElementById('theme'); s.value = 'dark'; s.dispatchEvent(new Event('change')); })()`,
    );
    expect(await browser.run<string>('getComputedStyle(document.body).backgroundColor')).toBe(
      'rgb(20, 23, 27)',
    );
    await browser.run(
      `document.getElementById('address').value = '0x4234000'; document.getElementById('go').requestSubmit()`,
    );
    expect(await browser.run<string>('said.textContent')).toMatch(/0x4234/);
    expect(browser.complaints).toEqual([]);
  });
});
