//! The Debian packages. What dpkg is told of each is in the directory of its name in `packaging/debian`: fields, the
//! list of conffiles, triggers, and scripts, each of which is put behind what they share.

pub(super) mod library;
mod tools;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::architecture::Architecture;
use super::layout::put;
use crate::{project, shell};

const SCRIPTS: [&str; 4] = ["preinst", "postinst", "prerm", "postrm"];

/// What the scripts of a package share.
const SHARED: &str = "common.sh";

/// Where packages are made, for what, and at what time in seconds their files were changed.
pub struct Maker<'m> {
    /// The directory of the finished packages.
    pub out: &'m Path,
    /// The processor that they are for.
    pub architecture: Architecture,
    /// The time of all files.
    pub time: &'m str,
}

impl Maker<'_> {
    /// The tools, and the package that takes kmod's place with them.
    pub fn tools(&self, program: &Path) -> Result<Vec<PathBuf>> {
        Ok(vec![
            self.package(tools::PACKAGE, &[], |root| tools::content(root, program))?,
            self.package("modutils-rs-kmod", &[], tools::in_place_of_kmod)?,
        ])
    }

    /// The C library, the package that takes libkmod2's place with it, and what programs are built with.
    pub fn library(&self, library: &Path) -> Result<Vec<PathBuf>> {
        let triplet = self.architecture.triplet();
        let values = [("TRIPLET", triplet.clone()), ("GLIBC", library::glibc(library)?)];
        Ok(vec![
            self.package("libkmod2-modutils-rs", &values, |root| library::content(root, library, &triplet))?,
            self.package("modutils-rs-libkmod2", &[], |root| {
                library::in_place_of_libkmod2(root, library, &triplet)
            })?,
            self.package("libkmod-dev-modutils-rs", &[], |root| library::for_builds(root, &triplet))?,
        ])
    }

    /// Builds the package of that name; its file. `values` stand in its scripts and fields as `@NAME@`.
    fn package(
        &self,
        name: &str,
        values: &[(&str, String)],
        content: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let work = tempfile::tempdir_in(self.out)?;
        let root = work.path();
        // The root of a package is what everybody may enter.
        fs::set_permissions(root, fs::Permissions::from_mode(0o755))?;
        let documents = root.join("usr/share/doc").join(name);
        for (from, to) in [
            ("packaging/debian/copyright", "copyright"),
            ("LICENSE-MIT", "LICENSE-MIT"),
            ("LICENSE-APACHE", "LICENSE-APACHE"),
        ] {
            put(&project::root().join(from), &documents.join(to), 0o644)?;
        }
        content(root)?;
        let mut all = vec![
            ("VERSION", super::version().to_owned()),
            ("ARCHITECTURE", self.architecture.debian().to_owned()),
            ("SIZE", size(root)?),
            ("TOOLS", suite::words()),
        ];
        all.extend_from_slice(values);
        control(root, name, &all)?;
        let file = self.out.join(file_name(name, self.architecture));
        let mut build = Command::new("dpkg-deb");
        build.env("SOURCE_DATE_EPOCH", self.time);
        shell::run(build.args(["--root-owner-group", "-Zxz", "--build"]).arg(root).arg(&file))?;
        Ok(file)
    }
}

/// The name of a package's file.
fn file_name(name: &str, architecture: Architecture) -> String {
    format!("{name}_{}_{}.deb", super::version(), architecture.debian())
}

/// The size of all files, in KiB.
fn size(root: &Path) -> Result<String> {
    let mut usage = Command::new("du");
    usage.args(["--summarize", "--block-size=1K", "--apparent-size"]).arg(root);
    let text = shell::output(&mut usage)?;
    text.split_whitespace().next().map(str::to_owned).context("du shows no size")
}

fn control(root: &Path, name: &str, values: &[(&str, String)]) -> Result<()> {
    let source = project::root().join("packaging/debian").join(name);
    let read = |name: &str| -> Result<String> {
        let file = source.join(name);
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        filled(&text, values).with_context(|| file.display().to_string())
    };
    let control = root.join("DEBIAN");
    fs::create_dir_all(&control)?;
    fs::write(control.join("control"), read("control.in")?)?;
    for list in ["conffiles", "triggers"] {
        if source.join(list).is_file() {
            fs::write(control.join(list), read(list)?)?;
        }
    }
    let shared = if source.join(SHARED).is_file() { read(SHARED)? } else { "set -e\n".to_owned() };
    for script in SCRIPTS.into_iter().filter(|script| source.join(script).is_file()) {
        let file = control.join(script);
        fs::write(&file, format!("#!/bin/sh\n{shared}\n{}", read(script)?))?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// A text with the values of its `@NAME@`s.
fn filled(text: &str, values: &[(&str, String)]) -> Result<String> {
    let mut text = text.to_owned();
    for (name, value) in values {
        text = text.replace(&format!("@{name}@"), value);
    }
    let mut parts = text.split('@').skip(1);
    let unknown =
        parts.find(|part| !part.is_empty() && part.chars().all(|letter| letter.is_ascii_uppercase()));
    ensure!(unknown.is_none(), "@{}@ has no value", unknown.unwrap_or_default());
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::filled;

    #[test]
    fn a_name_without_a_value_is_not_shipped() {
        let values = [("NAME", "value".to_owned())];
        assert_eq!(filled("a @NAME@ <b@localhost>", &values).unwrap(), "a value <b@localhost>");
        assert_eq!(filled("a @OTHER@", &values).unwrap_err().to_string(), "@OTHER@ has no value");
    }
}
