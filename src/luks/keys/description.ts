/** Descriptions: the names under which volume keys are in the keyring, and how a key gets there. */

import { SmeltError } from '../../errors.ts';

/** KEY_DESC_MAX_LEN of kernel/crash_dump_dm_crypt.c is 128, but strscpy() ends it with a NUL: a longer one is cut without a word. */
export const MAX_DESCRIPTION_BYTES = 127;

/**
 * The names in use: that of kdump-utils (since a8f245d, September 2025), and that of the kernel's documentation
 * (Documentation/admin-guide/kdump/kdump.rst). To the kernel they mean nothing.
 */
export const customaryDescriptions = (uuid: string): readonly string[] => [
  `kdump-cryptsetup:vk-${uuid}`,
  `cryptsetup:${uuid}`,
];

/** @throws SmeltError USAGE for what the kernel would refuse or cut */
export function checkDescription(description: string): void {
  const bytes = Buffer.byteLength(description);
  const refuse = (why: string) =>
    new SmeltError('USAGE', `"${description.slice(0, 40)}" cannot be the description of a key: ${why}`, {
      hint: 'It is the name under which cryptsetup put the volume key into the keyring, such as cryptsetup:UUID.',
    });
  if (bytes > MAX_DESCRIPTION_BYTES)
    throw refuse(`it has ${bytes} bytes, and the crash kernel takes ${MAX_DESCRIPTION_BYTES}`);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (/[\u0000-\u001f\u007f\ufffd]/.test(description))
    throw refuse('it has characters that cannot be printed');
  // logon_vet_description() of security/keys/user_defined.c.
  if (!/^[^:]+:/.test(description)) throw refuse('a key of type logon has a prefix and a colon in its name');
}

/** What to do so that the volume key of a device is in the keyring: now, and at each boot. */
export function howToLink(description: string, device: string): string {
  const link = `@u::%logon:${description}`;
  return (
    `Put link-volume-key=${link} into the options of its line in /etc/crypttab (systemd 257 or later), and for this boot run ` +
    `\`cryptsetup open --test-passphrase --link-vk-to-keyring '${link.replaceAll("'", "'\\\\''")}' ${device}\` (cryptsetup 2.7.1 or later).`
  );
}
