/** A page of a kdump-compressed file as it is stored: where, in how many bytes, packed with what. */

/** What there is of a page frame: it is `here`, or why not. */
export const State = {
  here: 0,
  /** Not in the second bitmap. */
  absent: 1,
  /** Its descriptor says that it is missing. */
  marked: 2,
  /** The file ends before its descriptor, or it cannot be read. */
  noDescriptor: 3,
  /** Its descriptor says what cannot be. */
  implausible: 4,
  /** The file does not have its bytes. */
  cut: 5,
  /** The system refused a read. */
  unreadable: 6,
  /** Nobody here can unpack it. */
  noCodec: 7,
  /** It does not unpack to a page. */
  undecodable: 8,
} as const;
export type PageState = (typeof State)[keyof typeof State];

/** One thread's way to them: first `find`, then, where a page is here, `fetch`, then `unpack`. */
export interface StoredPages {
  /** Looks for the page's descriptor, whose fields are valid until the next call. */
  find(pfn: number): PageState;
  /** Byte offset in its part, number of bytes, and what they are packed with: 0, or one of CompressionFlag. */
  readonly place: number;
  readonly size: number;
  readonly flags: number;
  /** Of the file's parts the one that has the page found last. */
  readonly partNumber: number;
  /** Brings the bytes of the page found last to `at` in `data`; false where the system refuses. */
  fetch(): boolean;
  readonly data: Buffer;
  readonly at: number;
  /** Unpacks the page fetched last to the start of `into`, a page's bytes. */
  unpack(into: Uint8Array): PageState;
}
