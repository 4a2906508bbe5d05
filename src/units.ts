/** Counts and sizes as people read them: thousands separators, binary units for memory and decimal ones for files. */

const KIB = 1024;
const BINARY_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
const DECIMAL_UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** 1,048,576 */
export function count(value: number): string {
  return group(Math.round(value).toFixed(0));
}

/** Thousands apart: "1234.5" is "1,234.5". */
export function group(digits: string): string {
  const [whole, fraction] = digits.split('.');
  const grouped = whole.replace(/\B(?=([0-9]{3})+$)/g, ',');
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

/** Memory: "512 B", "4.0 GiB". */
export function memory(bytes: number): string {
  return scaled(bytes, KIB, BINARY_UNITS);
}

/** A file: "512 B", "31.2 MB". */
export function fileSize(bytes: number): string {
  return scaled(bytes, 1000, DECIMAL_UNITS);
}

const SUFFIXES = ['', 'K', 'M', 'G', 'T'];

/** A limit as it is given to an option: "5M", "1536K", "1000 bytes". */
export function limit(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (unit < SUFFIXES.length - 1 && value > 0 && value % KIB === 0) {
    value /= KIB;
    unit++;
  }
  return unit > 0 ? `${value}${SUFFIXES[unit]}` : bytes === 1 ? '1 byte' : `${value} bytes`;
}

function scaled(bytes: number, step: number, units: readonly string[]): string {
  let value = bytes;
  let unit = 0;
  // What would be rounded up to a whole step goes to the next unit: 1,023.97 KiB is 1.0 MiB.
  while (unit < units.length - 1 && (unit === 0 ? value >= step : Number(value.toFixed(1)) >= step)) {
    value /= step;
    unit++;
  }
  return `${group(value.toFixed(unit === 0 ? 0 : 1))} ${units[unit]}`;
}
