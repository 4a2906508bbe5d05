/** What the guests do with smelt: the life of a volume key from the first kernel to the dump, and each way in which it can fail. */
import { done } from './checks.ts';
import { crash, crashWithoutKeys } from './crash.ts';
import { asNobody, keys, noKeys } from './first.ts';

const PARTS: Record<string, () => Promise<void>> = {
  keys,
  'no-keys': noKeys,
  nobody: asNobody,
  'crash-keys': crash,
  'crash-no-keys': crashWithoutKeys,
};

const [part] = process.argv.slice(2);
await PARTS[part]();
done(part);
