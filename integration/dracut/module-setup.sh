#!/bin/bash
# dracut module: puts smelt into the initramfs of Fedora's and RHEL's kdump, for `core_collector smelt …` in /etc/kdump.conf. With
# AS_MAKEDUMPFILE=yes in /etc/smelt/kdump.conf smelt also stands there under the name of makedumpfile. Its name sorts behind
# 99kdumpbase, which brings makedumpfile and whatever is called smelt here.

# Beside this tree: DIR/lib/dracut/modules.d/99smelt, DIR/lib/smelt.
smelt_files() { (cd "${moddir:?}/../../../smelt" 2> /dev/null && pwd); }

check() {
  [[ -e $(smelt_files)/smelt.img ]] || return 1
  # mkdumprd sets that. Into another initramfs it goes by `dracut --add smelt` alone.
  [[ ${IN_KDUMP:-} ]] || return 255
}

installkernel() {
  # Neither need be loaded in the running kernel.
  hostonly='' instmods loop squashfs
}

# What is wrong with core_collector shows now, and not after the crash: mkdumprd looks at makedumpfile's options only.
check_collector() { # SMELT
  local said conf=${dracutsysrootdir:-}/etc/kdump.conf words operands=(vmcore dumpfile)
  read -ra words < <(sed -n 's/^[[:space:]]*core_collector[[:space:]]\{1,\}\([^#]*\).*/\1/p' "$conf" 2> /dev/null | tail -n 1)
  [[ ${words[0]##*/} = smelt ]] || return 0
  # A stream has no name.
  [[ " ${words[*]} " != *' -F '* ]] || operands=(vmcore)
  said=$("$1" --check-params "${words[@]:1}" "${operands[@]}" 2>&1)
  # 1: it was refused; anything else: smelt does not run here.
  [[ $? != 1 ]] || derror "core_collector in $conf makes no dump: ${said#smelt: }"
}

install() {
  local files settings=${dracutsysrootdir:-}/etc/smelt/kdump.conf AS_MAKEDUMPFILE=no real place
  files=$(smelt_files)
  check_collector "$files/smelt"
  inst_multiple sh cat dd dirname grep head mkdir modprobe mount mv rm sync
  inst_multiple -o vmcore-dmesg
  # The image is compressed, and not marked as a program: dracut strips those.
  inst_simple "$files/smelt.img" /usr/lib/smelt/smelt.img
  inst_simple "$files/fallback" /usr/lib/smelt/fallback
  inst_simple "$files/smelt" /usr/lib/smelt/smelt
  rm -f "${initdir:?}/usr/bin/smelt"
  ln_r /usr/lib/smelt/smelt /usr/bin/smelt

  # shellcheck source=/dev/null
  [[ ! -r $settings ]] || . "$settings"
  [[ $AS_MAKEDUMPFILE = yes ]] || return 0
  # The file itself, as links to it go away.
  if real=$(find_binary makedumpfile); then inst_binary "$(realpath "$real")" /usr/lib/smelt/makedumpfile; fi
  for place in /sbin /usr/sbin /bin /usr/bin; do
    rm -f "$initdir$place/makedumpfile"
  done
  inst_simple "$files/as-makedumpfile/makedumpfile" /usr/sbin/makedumpfile
}
