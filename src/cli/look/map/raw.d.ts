/** A file's text, as the bundler puts it in. */
declare module '*?raw' {
  const text: string;
  // biome-ignore lint/style/noDefaultExport: it is how the bundler gives it.
  export default text;
}
