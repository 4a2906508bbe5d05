# raw.sh: a copy of /proc/vmcore of a small guest, as test input (samples/README.md). Read in by run.

raw() { # OUT
  local tree elf modules='virtio_pci virtio_blk ext4'
  tree=$("$lab/get-kernel.sh" "${KERNEL:-linux-image-6.1.0-56-cloud-amd64}")
  image='' programs='' machine raw "$(echo "$tree"/boot/vmlinuz-*)" "$tree" 512M 16M
  # KASLR may put the kernel where it leaves no such room in one piece.
  for _ in 1 2 3 4 5 6; do
    LIMIT=90 MEMORY=${MEMORY:-240} boot first raw "crashkernel=${CRASHKERNEL:-80M} init_on_alloc=1 init_on_free=1 ipv6.disable=1"
    grep -aq '^GUEST kexec: .* 0 MiB reserved' "$text" || break
  done
  grep -aq '^GUEST done: crash raw' "$text" || { tail -n 40 "$text"; echo 'FAIL kdump raw: the crash kernel did not come to its end'; return 1; }
  # Its headers say where it ends; behind that is the rest of the disk.
  "$python" - "$machine/vdb" << 'PYTHON'
import os, struct, sys
with open(sys.argv[1], 'rb') as file:
    data = file.read(65536)
phoff, phnum = *struct.unpack_from('<Q', data, 32), *struct.unpack_from('<H', data, 56)
os.truncate(sys.argv[1], max(sum(struct.unpack_from('<8xQ16xQ', data, phoff + 56 * i)) for i in range(phnum)))
PYTHON
  elf=$machine/$(basename "$1").elf
  mv "$machine/vdb" "$elf"
  "$python" "$project/test/peers/count.py" "$elf" > "$1.json"
  "$python" "$project/test/peers/overlap.py" blank "$elf"
  gzip -9nc "$elf" > "$1.elf.gz"
  ls -l "$1.elf.gz" "$1.json"
}
