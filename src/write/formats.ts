/** What a dump can be written as. */

/** With pages as they lay in memory. */
export const IMAGE_FORMATS = ['elf', 'raw', 'lime'] as const;
export type ImageFormat = (typeof IMAGE_FORMATS)[number];

export const OUTPUT_FORMATS = ['kdump', ...IMAGE_FORMATS] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

/** As people know them. */
export const FORMAT_NAMES = { kdump: 'kdump-compressed', elf: 'ELF', raw: 'raw', lime: 'LiME' } as const;
