/** Whether a page is all zeros: by the C library's memcmp where it can be called, by Node otherwise. */
import { AddressBook } from './address.ts';
import { libc } from './libc.ts';

/** Looks at the `pageSize` bytes of `bytes` from `at` on, up to the first that is not zero. */
export type ZeroTest = (bytes: Buffer, at: number) => boolean;

/** The native one costs a third of the other's call, which is most of it for a page that is not zero. */
export function openZeroTest(pageSize: number, native = true): ZeroTest {
  const zeros = Buffer.from(new ArrayBuffer(pageSize));
  const c = libc();
  if (!native || 'unavailable' in c) return (bytes, at) => zeros.compare(bytes, at, at + pageSize) === 0;
  const { memcmp } = c;
  const zeroPage = new AddressBook();
  const pages = new AddressBook();
  return (bytes, at) =>
    memcmp(pages.of(bytes, at, pageSize), zeroPage.of(zeros, 0, pageSize), pageSize) === 0;
}
