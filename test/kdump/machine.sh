# machine.sh: how run makes and boots the guests: disks, initramfs, kernels. Read in by run.
modules='virtio_pci virtio_blk ext4 loop squashfs dm_crypt xts aes_generic aesni_intel af_alg algif_skcipher algif_hash sha256_generic configfs'

# Once a run: programs, image, key.
prepare() {
  mkdir -p "$cache/kdump"
  work=$(mktemp -d "$cache/kdump/run.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  tools=$("$lab/luks/get-tools.sh")
  lab_kernel=$("$lab/luks/get-kernel.sh")
  makedumpfile=$("$project/bench/get-makedumpfile.sh" 2> /dev/null)
  # Both with the same libzstd, or their times and sizes would be those of two of them.
  LD_LIBRARY_PATH=$(dirname "$makedumpfile")/codecs "$project/image/build" "$work/smelt.img" > "$work/image-parts"
  mkdir "$work/load"
  gcc -O2 -static -pthread -o "$work/load/server" "$project/bench/guest/server.c"
  gcc -O2 -static -pthread -o "$work/load/workload" "$lab/workload.c"
  head -c 64 /dev/urandom > "$work/key"
  crash_root
}

# What every crash kernel's initramfs has beside busybox, modules and image.
crash_root() {
  local root=$work/crash-root program
  for program in cryptsetup dmsetup; do "$lab/add-program.sh" "$tools" "$tools/usr/sbin/$program" "$root" /usr/sbin/$program; done
  "$lab/add-program.sh" "$tools" "$tools/usr/bin/keyctl" "$root" /usr/bin/keyctl
  "$lab/add-program.sh" "$tools" "$tools/usr/sbin/vmcore-dmesg" "$root" /usr/sbin/vmcore-dmesg
  # makedumpfile is of another release, and has a libc of its own.
  program=$(dirname "$makedumpfile")/root/usr/bin/makedumpfile
  "$lab/add-program.sh" "${program%/usr/bin/*}" "$program" "$root/usr/lib/sid" /makedumpfile
  cat > "$work/makedumpfile.sh" << 'SH'
#!/bin/sh
exec /usr/lib/sid/usr/lib64/ld-linux-x86-64.so.2 --argv0 makedumpfile --library-path /usr/lib/sid/usr/lib/x86_64-linux-gnu /usr/lib/sid/makedumpfile "$@"
SH
  install -m 755 "$work/makedumpfile.sh" "$root/usr/bin/makedumpfile"
  install -m 755 "$project/integration/save" "$project/image/smelt" "$root/usr/bin/"
  [ ! -e "$project/image/fallback" ] || install -D -m 644 "$project/image/fallback" "$root/usr/lib/smelt/fallback"
  install -D -m 600 "$work/key" "$root/kdump/key"
  install -D -m 644 -t "$root/etc/smelt" "$here"/settings/*.conf
}

# crash_initramfs TREE OUT: with what is in $programs, and the image $image if that is not empty. It is compressed already, and goes in
# an archive of its own, as it is; before the other one, whose length is not a multiple of 4.
crash_initramfs() {
  local tree=$1 out=$2 pairs=()
  mapfile -t pairs < <(guest_files; [ -z "$programs" ] || (cd "$programs" && find . -type f -printf "%P=$programs/%P\n"))
  "$lab/initramfs.sh" "$tree" "$here/guest/init" "$out.packed" "${tree:+$modules}" "${pairs[@]}"
  : > "$out"
  if [ -n "$image" ]; then
    rm -rf "$work/more"
    install -D -m 644 "$image" "$work/more/usr/lib/smelt/smelt.img"
    (cd "$work/more" && find . | cpio --quiet -o -H newc --owner 0:0) > "$out"
  fi
  cat "$out.packed" >> "$out"
  rm "$out.packed"
}
guest_files() { (cd "$here/guest" && for file in first crash check; do echo "guest/$file=$PWD/$file"; done); }

# first_disk OUT KERNEL CRASH-INITRAMFS: /dev/vda of the guests.
first_disk() {
  local out=$1 root=$work/first-root program
  if [ ! -e "$root" ]; then
    for program in cryptsetup dmsetup kexec mkfs.ext4 vmcore-dmesg; do
      "$lab/add-program.sh" "$tools" "$tools/usr/sbin/$program" "$root" "/usr/sbin/$program"
    done
    "$lab/add-program.sh" "$tools" "$tools/usr/bin/keyctl" "$root" /usr/bin/keyctl
    mkdir "$root/kdump"
    cp "$work/key" "$work/smelt.img" "$project/image/smelt" "$work"/load/* "$root/kdump/"
    mkdir "$root/kdump/text"
    cp -r "$project/src" "$project/docs" "$root/kdump/text/"
  fi
  cp "$2" "$root/kdump/kernel"
  cp "$3" "$root/kdump/crash-initramfs"
  truncate -s "$(($(du -sm "$root" | cut -f 1) * 5 / 4 + 32))M" "$out"
  mkfs.ext4 -q -O ^has_journal -d "$root" "$out"
}

# machine NAME KERNEL TREE SIZE-OF-VDB SIZE-OF-VDD: a directory with kernel, initramfs and disks.   env: image, programs (of the crash
# kernel's initramfs)
machine() {
  local name=$1 kernel=$2 tree=$3 image=${image-$work/smelt.img} programs=${programs-$work/crash-root}
  machine=$work/$name
  mkdir "$machine"
  "$lab/initramfs.sh" "$tree" "$here/guest/init" "$machine/initramfs" "${tree:+$modules}" $(guest_files)
  crash_initramfs "$tree" "$machine/crash-initramfs"
  first_disk "$machine/vda" "$kernel" "$machine/crash-initramfs"
  cp "$kernel" "$machine/kernel"
  truncate -s "$4" "$machine/vdb"
  truncate -s 64M "$machine/vdc"
  truncate -s "$5" "$machine/vdd"
  mkfs.ext4 -q "$machine/vdd"
}

# boot ROLE PART [KERNEL PARAMETERS]: its console is in $text. In 704 MiB there is room for 256 in one piece wherever
# KASLR puts the kernel.   env: MEMORY (MiB)
boot() {
  local disk drives=() console=$machine/console-$1-$2 kernel=$machine/kernel initramfs=$machine/initramfs
  if [ "$1" = check ]; then kernel=$lab_kernel initramfs=$work/check-initramfs; fi
  [ -e "$work/check-initramfs" ] || "$lab/initramfs.sh" '' "$here/guest/init" "$work/check-initramfs" '' $(guest_files)
  for disk in vda vdb vdc vdd; do
    drives+=(-drive "file=$machine/$disk,format=raw,if=none,id=$disk,cache=unsafe" -device "virtio-blk-pci,drive=$disk")
  done
  nice timeout "${LIMIT:-400}" qemu-system-x86_64 -accel tcg,thread=multi -cpu max,la57=off -smp 2 -m "${MEMORY:-704}" \
    -nodefaults -vga none -display none -no-reboot -kernel "$kernel" -initrd "$initramfs" -serial "file:$console" "${drives[@]}" \
    -append "console=ttyS0 quiet panic=1 kdump=$1:$2 ${3:-}" || true
  text=$console.txt
  tr -d '\r' < "$console" > "$text"
  [ -z "${KEEP:-}" ] || { mkdir -p "$KEEP"; cp "$text" "$KEEP/"; }
  [ -z "$verbose" ] || cat "$text"
}

# bring_out PART: what the check guest finds on the volume, in $out/volume; and on the plain disk, in $out/plain.
bring_out() {
  boot check "$1"
  out=$machine/out
  mkdir "$out"
  debugfs -R "rdump / $out" "$machine/vdd" > "$machine/rdump" 2>&1
  grep -aq "^GUEST done: check" "$text" || { result FAIL "$1: the volume is read by another machine" "it did not come to its end"; tail -n 30 "$text"; }
  [ -z "${KEEP:-}" ] || cp -r "$out" "$KEEP/out-$1"
}
