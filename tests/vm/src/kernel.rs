//! The kernel under which the tools run: an unpacked package with `boot/vmlinuz-RELEASE` and
//! `lib/modules/RELEASE`.
//!
//! The image in `boot` unpacks itself, which takes emulated processors some four seconds at every boot. QEMU can
//! start the program inside it just as well, so it is taken out once and kept. The layout of the image's header
//! is that of Documentation/arch/x86/boot.rst in the Linux sources.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// An unpacked kernel package.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// The directory that holds `boot` and `lib`.
    pub root: PathBuf,
    /// The kernel's release.
    pub release: String,
}

impl Kernel {
    /// Finds the kernel in a directory that holds exactly one.
    ///
    /// # Errors
    /// When there is none or more than one.
    pub fn find(root: &Path) -> Result<Self> {
        let boot = root.join("boot");
        let hint = "unpack a linux-image package of Debian there (`cargo xtask setup` does)";
        let entries =
            fs::read_dir(&boot).with_context(|| format!("cannot read {}: {hint}", boot.display()))?;
        let mut releases = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            releases.extend(name.to_str().and_then(|name| name.strip_prefix("vmlinuz-")).map(str::to_owned));
        }
        match <[String; 1]>::try_from(releases) {
            Ok([release]) => Ok(Self { root: root.into(), release }),
            Err(found) => bail!("{} holds {} kernels, not one: {hint}", boot.display(), found.len()),
        }
    }

    /// The directory of its modules.
    #[must_use]
    pub fn modules_dir(&self) -> PathBuf {
        self.root.join("lib/modules").join(&self.release)
    }

    /// The unpacked kernel, kept in `keep`; or the packed image itself if it is of an unknown kind.
    ///
    /// # Errors
    /// When the image cannot be read or the unpacked one not be written.
    pub fn bootable(&self, keep: &Path) -> Result<PathBuf> {
        let packed = self.root.join("boot").join(format!("vmlinuz-{}", self.release));
        let plain = keep.join(format!("vmlinux-{}", self.release));
        let modified = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified());
        if modified(&plain).is_ok_and(|at| modified(&packed).is_ok_and(|since| at > since)) {
            return Ok(plain);
        }
        let image = fs::read(&packed).with_context(|| format!("cannot read {}", packed.display()))?;
        let Some(program) = payload(&image).and_then(unpack) else { return Ok(packed) };
        fs::create_dir_all(keep)?;
        // Two runs at once must not see half of it.
        let fresh = tempfile::NamedTempFile::new_in(keep)?;
        fs::write(&fresh, program)?;
        fresh.persist(&plain).with_context(|| format!("cannot write {}", plain.display()))?;
        Ok(plain)
    }
}

/// The packed program inside an image.
fn payload(image: &[u8]) -> Option<&[u8]> {
    let word = |at: usize| -> Option<usize> {
        let bytes = image.get(at..at.checked_add(4)?)?;
        usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
    };
    if image.get(0x202..0x206)? != b"HdrS" {
        return None;
    }
    let setup_sectors = match *image.get(0x1f1)? {
        0 => 4,
        count => usize::from(count),
    };
    let start = (setup_sectors + 1).checked_mul(512)?.checked_add(word(0x248)?)?;
    image.get(start..start.checked_add(word(0x24c)?)?)
}

/// The ELF program in a payload, if its packing is known.
fn unpack(payload: &[u8]) -> Option<Vec<u8>> {
    let mut program = Vec::new();
    let read = match payload.get(..6)? {
        [0xfd, b'7', b'z', b'X', b'Z', 0] => xz2::read::XzDecoder::new(payload).read_to_end(&mut program),
        [0x1f, 0x8b, ..] => flate2::read::GzDecoder::new(payload).read_to_end(&mut program),
        // The build appends the size to the frame.
        [0x28, 0xb5, 0x2f, 0xfd, ..] => zstd::stream::Decoder::new(payload)
            .and_then(|decoder| decoder.single_frame().read_to_end(&mut program)),
        _ => return None,
    };
    (read.is_ok() && program.starts_with(b"\x7fELF")).then_some(program)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn image_with(payload: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 1024 + 64];
        image[0x1f1] = 1;
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x248..0x24c].copy_from_slice(&64u32.to_le_bytes());
        image[0x24c..0x250].copy_from_slice(&u32::try_from(payload.len()).unwrap().to_le_bytes());
        image.extend(payload);
        image.extend(b"what follows");
        image
    }

    fn packed(text: &[u8]) -> [Vec<u8>; 3] {
        let mut xz = xz2::write::XzEncoder::new(Vec::new(), 1);
        xz.write_all(text).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text).unwrap();
        let mut zstd = zstd::stream::encode_all(text, 1).unwrap();
        zstd.extend(12u32.to_le_bytes());
        [xz.finish().unwrap(), gzip.finish().unwrap(), zstd]
    }

    #[test]
    fn the_program_is_taken_out_of_every_known_packing() {
        for payload_bytes in packed(b"\x7fELF and more") {
            let image = image_with(&payload_bytes);
            let program = payload(&image).and_then(unpack);
            assert_eq!(program.as_deref(), Some(&b"\x7fELF and more"[..]));
        }
    }

    #[test]
    fn what_is_no_kernel_image_gives_nothing() {
        for payload_bytes in packed(b"a script") {
            assert_eq!(payload(&image_with(&payload_bytes)).and_then(unpack), None);
        }
        let image = image_with(b"x");
        for length in 0..image.len() - 13 {
            assert_eq!(payload(&image[..length]), None, "{length}");
        }
    }
}
