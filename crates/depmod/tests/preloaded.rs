//! Wrappers that put a library before the C library, as fakechroot does: paths then mean something else to a program.

#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test speaks")]

mod world;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use fixtures::{Module, Tree};
use world::{DEPMOD, OUTPUTS, VERSION, directory, has, stderr};

/// A library that lets absolute paths that begin with `/lib` or `/etc` begin with `$ELSEWHERE`.
const LIBRARY: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *moved(const char *path, char *room) {
    const char *to = getenv("ELSEWHERE");
    if (path == NULL || to == NULL) return path;
    if (strcmp(path, "/") != 0 && strncmp(path, "/lib", 4) != 0 && strncmp(path, "/etc", 4) != 0) return path;
    snprintf(room, PATH_MAX, "%s%s", to, path);
    return room;
}

#define OPEN(NAME) \
    int NAME(const char *path, int flags, ...) { \
        char room[PATH_MAX]; va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
        int (*next)(const char *, int, ...) = dlsym(RTLD_NEXT, #NAME); \
        return next(moved(path, room), flags, mode); \
    }
#define OPENAT(NAME) \
    int NAME(int at, const char *path, int flags, ...) { \
        char room[PATH_MAX]; va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
        int (*next)(int, const char *, int, ...) = dlsym(RTLD_NEXT, #NAME); \
        return next(at, moved(path, room), flags, mode); \
    }
#define STAT(NAME, KIND) \
    int NAME(const char *path, struct KIND *out) { \
        char room[PATH_MAX]; int (*next)(const char *, struct KIND *) = dlsym(RTLD_NEXT, #NAME); \
        return next(moved(path, room), out); \
    }

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
STAT(stat, stat)
STAT(lstat, stat)
STAT(stat64, stat64)
STAT(lstat64, stat64)

int statx(int at, const char *path, int flags, unsigned mask, struct statx *out) {
    char room[PATH_MAX];
    int (*next)(int, const char *, int, unsigned, struct statx *) = dlsym(RTLD_NEXT, "statx");
    return next(at, moved(path, room), flags, mask, out);
}
"#;

/// Whether depmod was built for the C library that has its files in a library of its own.
const IS_DYNAMIC: bool = cfg!(target_env = "gnu");

fn library(place: &Path) -> Option<PathBuf> {
    if !has("cc", &["--version"]) {
        return None;
    }
    let [source, library] = ["library.c", "library.so"].map(|name| place.join(name));
    fs::write(&source, LIBRARY).unwrap();
    let status = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
    assert!(status.unwrap().success(), "the library cannot be built");
    Some(library)
}

fn system(place: &Path) -> PathBuf {
    let root = place.join("root");
    let tree = Tree::new(VERSION)
        .module("kernel/one.ko", Module::new("one").export("symbol", 1))
        .module("updates/two.ko", Module::new("two").need("symbol"))
        .module("kernel/two.ko", Module::new("two"))
        .directory("/etc/depmod.d")
        .with_build_files();
    tree.write(&root).unwrap();
    fs::write(root.join("etc/depmod.d/a.conf"), "search built-in updates\n").unwrap();
    root
}

#[test]
fn a_library_that_moves_paths_moves_all_of_a_dynamic_depmod() {
    let place = tempfile::tempdir().unwrap();
    let Some(library) = library(place.path()).filter(|_| IS_DYNAMIC) else { return };
    let root = system(place.path());
    let depmod = |options: &[&str]| {
        let mut command = Command::new(DEPMOD);
        command.args(options).env("LC_ALL", "C").env("SOURCE_DATE_EPOCH", "0");
        command.env("LD_PRELOAD", &library).env("ELSEWHERE", &root).output().unwrap()
    };
    assert!(!Path::new("/lib/modules").join(VERSION).exists(), "this system has such a kernel");
    for options in [&["-a", VERSION][..], &["-a", "-j1", VERSION], &["-A", VERSION]] {
        let output = depmod(options);
        assert!(output.status.success() && output.stderr.is_empty(), "{options:?}: {}", stderr(&output));
        let dependencies = fs::read_to_string(directory(&root).join("modules.dep")).unwrap();
        assert_eq!(dependencies, "kernel/one.ko:\nkernel/two.ko:\n", "{options:?}");
        assert!(OUTPUTS.iter().all(|name| directory(&root).join(name).exists()));
    }
    let compared = depmod(&["--check", VERSION]);
    assert!(compared.status.success(), "{compared:?}");
    let removed = depmod(&["--remove", VERSION]);
    assert!(removed.status.success(), "{removed:?}");
    assert!(!OUTPUTS.iter().any(|name| directory(&root).join(name).exists()));
}
