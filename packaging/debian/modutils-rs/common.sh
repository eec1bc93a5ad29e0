# What the maintainer scripts share; it is put at the head of each when the package is built.
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# /sbin/modprobe must exist at every instant, because the kernel calls it. dpkg would remove a file of ours before
# kmod's could come back. So the package holds the one program in a directory of its own; the scripts put hard links
# (or copies) of it into the places of all tools and kmod's back, each by one rename. Diversions keep dpkg from
# unpacking kmod's there.
set -e

package=modutils-rs
tools='@TOOLS@'
store=/usr/lib/modutils-rs
# Where kmod's package has its tools. With merged directories /usr/bin and /usr/sbin are other names of these.
places='/bin/kmod /bin/lsmod'
for tool in $tools; do
    [ "$tool" = kmod ] || places="$places /sbin/$tool"
done
# Units that are on as delivered: without a persist line in modutils.d they have nothing to do. Those in the second list
# work from now on, the others at the next boot.
units='modutils-settings.service modutils-restore-early.service modutils-restore.service'
units_to_start='modutils-settings.service modutils-restore-early.service'
docs='
/usr/share/man/man5/depmod.d.5.gz
/usr/share/man/man5/modprobe.conf.5.gz
/usr/share/man/man5/modprobe.d.5.gz
/usr/share/man/man5/modules.5.gz
/usr/share/man/man5/modules.dep.5.gz
/usr/share/man/man5/modules.dep.bin.5.gz
'
for tool in $tools; do
    docs="$docs /usr/share/man/man8/$tool.8.gz /usr/share/bash-completion/completions/$tool"
done

# Where a manual page or completion of another package is kept meanwhile.
aside() {
    case $1 in
        *.5.gz) echo "${1%.5.gz}.kmod.5.gz" ;;
        *.8.gz) echo "${1%.8.gz}.kmod.8.gz" ;;
        *) echo "$1.kmod" ;;
    esac
}

# Makes two files one name's old and new content by a single rename.
replace() {
    mv -fT "$1" "$2"
}

# The name of kmod's tool meanwhile, for either spelling of its directory. The names differ, because dpkg would take
# the new file for the old one, and remove it, when an upgrade of kmod changes the spelling.
tool_aside() {
    case $1 in
        /usr/*) echo "$1.usr-kmod" ;;
        *) echo "$1.kmod" ;;
    esac
}

# kmod's tools get a second name, which is the one that dpkg uses for them from now on. Both spellings of the
# directory are diverted: which one kmod's package uses depends on its release. Its program comes first: what is left
# in its place are links to it.
divert_tools() {
    listed=$(dpkg-query --listfiles kmod 2>/dev/null || true)
    for place in $places; do
        # While it is diverted, what is there is ours.
        if [ "$(dpkg-divert --truename "$place")" = "$place" ] && { [ -e "$place" ] || [ -L "$place" ]; }; then
            name=$place
            if echo "$listed" | grep -qx "/usr$place"; then
                name=/usr$place
            fi
            name=$(tool_aside "$name")
            cp -a "$place" "$name.new"
            replace "$name.new" "$name"
        fi
        for spelling in "$place" "/usr$place"; do
            dpkg-divert --quiet --package "$package" --no-rename \
                --divert "$(tool_aside "$spelling")" --add "$spelling"
        done
    done
}

# Ours take the place of kmod's.
place_tools() {
    for place in $places; do
        rm -f "$place.ours"
        ln "$store/kmod" "$place.ours" 2>/dev/null || cp -p "$store/kmod" "$place.ours"
        replace "$place.ours" "$place"
    done
}

# kmod's tools take their place again. Where there is no kmod, ours go with the package.
restore_tools() {
    for place in $places; do
        old=''
        for spelling in "$place" "/usr$place"; do
            name=$(tool_aside "$spelling")
            if [ -e "$name" ] || [ -L "$name" ]; then
                old=$name
            fi
        done
        if [ -n "$old" ]; then
            replace "$old" "$place"
        elif [ "$1" = remove ]; then
            rm -f "$place"
        fi
        for spelling in "$place" "/usr$place"; do
            dpkg-divert --quiet --package "$package" --no-rename \
                --divert "$(tool_aside "$spelling")" --remove "$spelling"
        done
    done
}

divert_docs() {
    for file in $docs; do
        dpkg-divert --quiet --package "$package" --rename --divert "$(aside "$file")" --add "$file"
    done
}

restore_docs() {
    for file in $docs; do
        dpkg-divert --quiet --package "$package" --rename --divert "$(aside "$file")" --remove "$file"
    done
}

# Settings outlive a reboot where persist lines of modutils.d ask for it. Whoever switches a unit off finds it off after
# an upgrade.
switch_on_units() {
    for unit in $units; do
        if deb-systemd-helper --quiet was-enabled "$unit"; then
            deb-systemd-helper enable "$unit" >/dev/null || true
        fi
    done
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload || true
        for unit in $units_to_start; do
            deb-systemd-invoke start "$unit" >/dev/null || true
        done
    fi
}
