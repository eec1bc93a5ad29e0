# What the maintainer scripts share; it is put at the head of each when the package is built.
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# The link libkmod.so.2 must lead to a library at every instant, because systemctl itself is linked with it. dpkg would
# remove a link of ours before kmod's could come back, so the scripts turn it to ours and back, each by one rename. A
# diversion keeps dpkg from unpacking kmod's link there.
#
# Of all libraries with one SONAME in a directory, ldconfig turns the link to that of the highest version, and the link is
# gone while it does. So ours has a version that no release of kmod's comes near, and is in that directory only while the
# link leads to it: the package holds it elsewhere.
set -e

package=libkmod2-modutils-rs
directory=/usr/lib/@TRIPLET@
store=$directory/modutils-rs/libkmod.so.2
link=$directory/libkmod.so.2
library=libkmod.so.2.99.0
# Names that ldconfig does not look at: kmod's link meanwhile, and what is about to be renamed.
aside=$directory/kmod.libkmod.so.2
new=$directory/modutils-rs.new

# Makes two files one name's old and new content by a single rename.
replace() {
    mv -fT "$1" "$2"
}

# kmod's link gets a second name, which is the one that dpkg uses for it from now on.
divert_link() {
    # While it is diverted, what is there is ours.
    if [ "$(dpkg-divert --truename "$link")" = "$link" ] && [ -L "$link" ]; then
        rm -f "$new"
        cp -a "$link" "$new"
        replace "$new" "$aside"
    fi
    dpkg-divert --quiet --package "$package" --no-rename --divert "$aside" --add "$link"
}

# The link leads to ours.
place_link() {
    rm -f "$new"
    ln "$store" "$new" 2>/dev/null || cp -p "$store" "$new"
    replace "$new" "$directory/$library"
    ln -s "$library" "$new"
    replace "$new" "$link"
}

# The link leads to kmod's again. Where there is none, ours goes with the package.
restore_link() {
    if [ -L "$aside" ]; then
        replace "$aside" "$link"
        rm -f "$directory/$library"
    elif [ "$1" = remove ]; then
        rm -f "$link" "$directory/$library"
    fi
    dpkg-divert --quiet --package "$package" --no-rename --divert "$aside" --remove "$link"
}
