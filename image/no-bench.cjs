/** Stands in the image where `smelt bench` is elsewhere: it starts itself by process.execPath, which is the dynamic loader here. */
exports.runBench = () => {
  process.stderr.write(
    'smelt: bench is not part of the image\n       It runs where smelt is installed by npm.\n',
  );
  return 1;
};
