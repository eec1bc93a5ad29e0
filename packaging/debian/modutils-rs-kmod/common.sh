# What the maintainer scripts share; it is put at the head of each when the package is built.
# SPDX-License-Identifier: MIT OR Apache-2.0
set -e

# Options of a few drivers are in a file with the name that it has in kmod's package, so that a file of that name in
# /etc/modprobe.d replaces it as before. dpkg would take it away together with kmod's, whose package spells the directory
# differently; so it is put there when kmod is gone.
options=/usr/lib/modprobe.d/aliases.conf

place_options() {
    # kmod may have taken the directory along.
    mkdir -p "${options%/*}"
    cp -p /usr/lib/modutils-rs-kmod/aliases.conf $options.new
    mv -fT $options.new $options
}
