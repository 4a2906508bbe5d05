/** A headless Chromium, driven over its DevTools protocol through a pipe: no package, no port. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';

/** Undefined where there is none. */
export function findChromium(): string | undefined {
  for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
    try {
      return execFileSync('/bin/sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim();
    } catch {
      // The next one.
    }
  }
  return undefined;
}

type Answer = {
  id?: number;
  method?: string;
  params?: Record<string, unknown>;
  result?: never;
  error?: { message: string };
};

export class Chromium {
  /** What the page said that it should not have: errors of its console, exceptions, refused loads. */
  readonly complaints: string[] = [];
  /** Addresses that were asked for. */
  readonly requests: string[] = [];
  private readonly process: ChildProcess;
  private readonly profile: string;
  private readonly waiting = new Map<
    number,
    { done: (value: never) => void; failed: (error: Error) => void }
  >();
  private lastId = 0;
  private session: string | undefined;

  private constructor(program: string, size: { width: number; height: number }) {
    this.profile = mkdtempSync(join(tmpdir(), 'smelt-chromium-'));
    const options = [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--no-first-run',
      '--remote-debugging-pipe',
      `--user-data-dir=${this.profile}`,
      `--window-size=${size.width},${size.height}`,
      'about:blank',
    ];
    this.process = spawn(program, options, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
    let rest = '';
    (this.process.stdio[4] as Duplex).setEncoding('utf8').on('data', (text: string) => {
      const messages = (rest + text).split('\0');
      rest = messages.pop()!;
      for (const message of messages) this.take(JSON.parse(message));
    });
  }

  static async start(program: string, size = { width: 1400, height: 900 }): Promise<Chromium> {
    const browser = new Chromium(program, size);
    const { targetInfos } = await browser.send<{ targetInfos: { targetId: string; type: string }[] }>(
      'Target.getTargets',
    );
    const { targetId } = targetInfos.find(({ type }) => type === 'page')!;
    const { sessionId } = await browser.send<{ sessionId: string }>('Target.attachToTarget', {
      targetId,
      flatten: true,
    });
    browser.session = sessionId;
    for (const domain of ['Runtime', 'Log', 'Page', 'Network']) await browser.send(`${domain}.enable`);
    await browser.send('Emulation.setDeviceMetricsOverride', {
      ...size,
      deviceScaleFactor: 1,
      mobile: false,
    });
    return browser;
  }

  send<T = unknown>(method: string, params: object = {}): Promise<T> {
    const id = ++this.lastId;
    const text = JSON.stringify({ id, method, params, sessionId: this.session });
    (this.process.stdio[3] as Duplex).write(`${text}\0`);
    return new Promise((done, failed) =>
      this.waiting.set(id, { done: done as (value: never) => void, failed }),
    );
  }

  /** The value of an expression in the page; a promise is waited for. */
  async run<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.send<{
      result: { value: T };
      exceptionDetails?: { text: string };
    }>('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true });
    if (exceptionDetails !== undefined) throw new Error(`${expression}: ${exceptionDetails.text}`);
    return result.value;
  }

  /** Until the expression is true; fails after `ms`. */
  async until(expression: string, ms = 20_000): Promise<void> {
    for (const end = Date.now() + ms; Date.now() < end; ) {
      // Between two pages there is nothing to be asked.
      if (await this.run<boolean>(`Boolean(${expression})`).catch(() => false)) return;
      await new Promise((done) => setTimeout(done, 25));
    }
    throw new Error(`${expression} did not come true in ${ms} ms: ${this.complaints.join('; ')}`);
  }

  async open(path: string): Promise<void> {
    await this.send('Page.navigate', { url: `file://${path}` });
  }

  async mouse(type: 'mouseMoved' | 'mousePressed' | 'mouseReleased', x: number, y: number): Promise<void> {
    const button = type === 'mouseMoved' ? 'none' : 'left';
    await this.send('Input.dispatchMouseEvent', { type, x, y, button, clickCount: 1 });
  }

  async wheel(x: number, y: number, deltaY: number, ctrl = false): Promise<void> {
    await this.send('Input.dispatchMouseEvent', {
      type: 'mouseWheel',
      x,
      y,
      deltaX: 0,
      deltaY,
      modifiers: ctrl ? 2 : 0,
    });
  }

  async key(key: string): Promise<void> {
    const text = key.length === 1 ? { text: key } : {};
    await this.send('Input.dispatchKeyEvent', { type: 'keyDown', key, ...text });
    await this.send('Input.dispatchKeyEvent', { type: 'keyUp', key });
  }

  async screenshot(): Promise<Buffer> {
    const { data } = await this.send<{ data: string }>('Page.captureScreenshot', { format: 'png' });
    return Buffer.from(data, 'base64');
  }

  async close(): Promise<void> {
    const ended = new Promise((done) => this.process.once('exit', done));
    this.session = undefined;
    this.send('Browser.close').catch(() => {});
    const timer = setTimeout(() => this.process.kill('SIGKILL'), 5000);
    await ended;
    clearTimeout(timer);
    rmSync(this.profile, { recursive: true, force: true });
  }

  private take({ id, method, params, result, error }: Answer): void {
    if (id !== undefined) {
      const { done, failed } = this.waiting.get(id)!;
      this.waiting.delete(id);
      if (error === undefined) done(result as never);
      else failed(new Error(error.message));
    } else if (method === 'Runtime.exceptionThrown' || method === 'Log.entryAdded') {
      this.complaints.push(JSON.stringify(params));
    } else if (method === 'Runtime.consoleAPICalled' && params?.type !== 'log') {
      this.complaints.push(JSON.stringify(params));
    } else if (method === 'Network.requestWillBeSent') {
      this.requests.push((params as { request: { url: string } }).request.url);
    }
  }
}
